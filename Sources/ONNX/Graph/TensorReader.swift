import Executors
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Turns tensor messages into tensors; big ones lie where they are in the mapped file.
struct TensorReader {
  let file: ModelFile
  /// The folder that external data must lie in.
  let folder: String

  init(file: ModelFile) {
    self.file = file
    folder = file.path.lastIndex(of: "/").map { String(file.path[..<$0]) } ?? "."
  }

  static func elementType(_ number: Int64) -> ElementType? {
    switch number {
    case 1: .float32
    case 2: .uint8
    case 3: .int8
    case 4: .uint16
    case 5: .int16
    case 6: .int32
    case 7: .int64
    case 8: .string
    case 9: .bool
    case 10: .float16
    case 11: .float64
    case 12: .uint32
    case 13: .uint64
    case 16: .bfloat16
    default: nil
    }
  }

  func tensor(_ message: TensorMessage, at place: String) throws(ModelFormatError) -> Tensor {
    guard let type = TensorReader.elementType(message.dataType) else {
      throw .unsupported(
        format: "ONNX", what: "\(place) has element type \(message.dataType)",
        advice: "complex, 8-bit float and 4-bit types are not run")
    }
    let shape: Shape
    do {
      shape = try Shape(checking: message.dimensions.map { Int($0) })
    } catch {
      throw malformed(place, "\(error)")
    }
    if message.isExternal { return try external(message, type, shape, place) }
    if let range = message.rawData {
      guard type != .string else { throw malformed(place, "strings cannot be raw data") }
      return try raw(file, range, type, shape, place)
    }
    return try decoded(message, type, shape, place)
  }

  private func raw(
    _ file: ModelFile, _ range: Range<Int>, _ type: ElementType, _ shape: Shape, _ place: String
  ) throws(ModelFormatError) -> Tensor {
    let expected = shape.elementCount * type.byteSize
    guard range.count == expected else {
      throw malformed(
        place, "\(shape) of \(type.name) takes \(expected) bytes; the file has \(range.count)")
    }
    if type != .bool {
      let isAligned = file.bytes.withUnsafeBytes { bytes in
        guard let base = bytes.baseAddress else { return true }
        return (Int(bitPattern: base) + range.lowerBound) % type.byteSize == 0
      }
      if isAligned { return Tensor(type, shape: shape, buffer: file.buffer(range)) }
    }
    let buffer = TensorBuffer(byteCount: expected)
    file.bytes.withUnsafeBytes { bytes in
      buffer.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
    if type == .bool {
      for index in 0..<expected where buffer.bytes[index] != 0 { buffer.bytes[index] = 1 }
    }
    return Tensor(type, shape: shape, buffer: buffer)
  }

  /// Values in the typed fields. Small types share `int32_data`, half floats as bit patterns.
  private func decoded(
    _ message: TensorMessage, _ type: ElementType, _ shape: Shape, _ place: String
  ) throws(ModelFormatError) -> Tensor {
    func check(_ count: Int) throws(ModelFormatError) {
      guard count == shape.elementCount else {
        throw malformed(place, "\(shape) takes \(shape.elementCount) values; \(count) are there")
      }
    }
    func words<Word: FixedWidthInteger & TensorElement>(
      _: Word.Type
    ) throws(ModelFormatError) -> Tensor {
      try check(message.int32s.count)
      return Tensor(message.int32s.map { Word(truncatingIfNeeded: $0) }, shape: shape)
    }
    /// The same bytes under another type's name.
    func renamed<Word: TensorElement>(_ words: [Word]) -> Tensor {
      var tensor = Tensor(type, shape: shape)
      if type == .float16 {
        var target = tensor.mutableValues(as: Float16.self)
        for (index, word) in words.enumerated() {
          guard let bits = word as? UInt16 else { continue }
          target[index] = Float16(bitPattern: bits)
        }
      } else if type == .bfloat16 {
        var target = tensor.mutableValues(as: UInt16.self)
        for (index, word) in words.enumerated() {
          guard let bits = word as? UInt16 else { continue }
          target[index] = bits
        }
      } else {
        var target = tensor.mutableValues(as: UInt8.self)
        for (index, word) in words.enumerated() {
          guard let value = word as? Int32 else { continue }
          target[index] = value == 0 ? 0 : 1
        }
      }
      return tensor
    }
    switch type {
    case .float32:
      try check(message.floats.count)
      return Tensor(message.floats, shape: shape)
    case .float64:
      try check(message.doubles.count)
      return Tensor(message.doubles, shape: shape)
    case .int64:
      try check(message.int64s.count)
      return Tensor(message.int64s, shape: shape)
    case .uint64:
      try check(message.uint64s.count)
      return Tensor(message.uint64s, shape: shape)
    case .uint32:
      try check(message.uint64s.count)
      return Tensor(message.uint64s.map { UInt32(truncatingIfNeeded: $0) }, shape: shape)
    case .int32: return try words(Int32.self)
    case .int16: return try words(Int16.self)
    case .int8: return try words(Int8.self)
    case .uint16: return try words(UInt16.self)
    case .uint8: return try words(UInt8.self)
    case .bool:
      try check(message.int32s.count)
      return renamed(message.int32s)
    case .float16, .bfloat16:
      try check(message.int32s.count)
      return renamed(message.int32s.map { UInt16(truncatingIfNeeded: $0) })
    case .string:
      try check(message.strings.count)
      var strings = ByteStrings()
      for range in message.strings {
        file.bytes.extracting(range).withUnsafeBytes { strings.append($0) }
      }
      return Tensor(strings: strings, shape: shape)
    }
  }

  /// Data in a file beside the model, never outside the package.
  private func external(
    _ message: TensorMessage, _ type: ElementType, _ shape: Shape, _ place: String
  ) throws(ModelFormatError) -> Tensor {
    var location = ""
    var offset = 0
    var length: Int?
    for (key, value) in message.external {
      switch key {
      case "location": location = value
      case "offset", "length":
        guard let number = Int(value), number >= 0 else {
          throw malformed(place, "external data has \(key) '\(value)'")
        }
        if key == "offset" { offset = number } else { length = number }
      default: break
      }
    }
    guard type != .string else { throw malformed(place, "strings cannot be external data") }
    let parts = location.split(separator: "/", omittingEmptySubsequences: false)
    guard !location.isEmpty, !location.contains("\0"),
      !parts.contains(where: { $0 == ".." || $0.isEmpty })
    else {
      throw .unsupported(
        format: "ONNX", what: "\(place) lies in '\(location)'",
        advice: "external data must lie below the model's folder, at a relative path without ..")
    }
    let path = "\(folder)/\(location)"
    // A link could lead out of the package whatever the path's text says.
    guard let real = resolved(path), let root = resolved(folder),
      root == "/" || real.hasPrefix(root + "/")
    else {
      throw .unreadable(path: path, reason: "external data of \(place) is not in the package")
    }
    let data = try ModelFile(path: real)
    let count = length ?? shape.elementCount * type.byteSize
    guard offset <= data.count, count <= data.count - offset else {
      throw malformed(
        place, "bytes \(offset) and \(count) on are wanted; '\(location)' has \(data.count)")
    }
    return try raw(data, offset..<(offset + count), type, shape, place)
  }

  private func resolved(_ path: String) -> String? {
    guard let resolved = realpath(path, nil) else { return nil }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  private func malformed(_ place: String, _ reason: String) -> ModelFormatError {
    .malformed(format: "ONNX", at: place, reason: reason)
  }
}
