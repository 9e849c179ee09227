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
  private let externalFiles = ExternalFiles()

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
    case 17: .float8e4m3fn
    case 18: .float8e4m3fnuz
    case 19: .float8e5m2
    case 20: .float8e5m2fnuz
    case 21: .uint4
    case 22: .int4
    case 24: .float8e8m0
    case 25: .uint2
    case 26: .int2
    default: nil
    }
  }

  func tensor(_ message: TensorMessage, at place: String) throws(ModelFormatError) -> Tensor {
    guard let type = TensorReader.elementType(message.dataType) else {
      throw .unsupported(
        format: "ONNX", what: "\(place) has element type \(message.dataType)",
        advice: "complex numbers and floats of 4 bits are not run")
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

  /// A sparse tensor, made dense: kernels know no other.
  func tensor(
    _ message: SparseTensorMessage, at place: String
  ) throws(ModelFormatError) -> Tensor {
    let values = try tensor(message.values, at: place)
    let indices = try tensor(message.indices, at: "\(place), its indices")
    let shape: Shape
    do {
      shape = try Shape(checking: message.dimensions.map { Int($0) })
    } catch {
      throw malformed(place, "\(error)")
    }
    let count = values.shape.elementCount
    let isFlat = indices.shape.rank == 1
    guard values.elementType.byteSize > 0, values.shape.rank == 1, indices.elementType == .int64,
      isFlat || (indices.shape.rank == 2 && indices.shape[1] == shape.rank),
      indices.shape[0] == count
    else {
      throw malformed(
        place, "values \(values.shape) and indices \(indices.shape) for a sparse \(shape)")
    }
    // Zeros take no room in the file: what they may take here is bounded.
    guard shape.elementCount <= TensorReader.maxSparseElements else {
      throw .unsupported(
        format: "ONNX", what: "\(place) is sparse and has \(shape.elementCount) elements",
        advice: "save weights of over \(TensorReader.maxSparseElements) elements densely")
    }
    try expand(shape.elementCount * values.elementType.byteSize, place)
    var result = Tensor(values.elementType, shape: shape)
    let places = indices.values(as: Int64.self)
    for index in 0..<count {
      var flat = 0
      if isFlat {
        flat = Int(places[index])
      } else {
        for axis in 0..<shape.rank {
          let coordinate = Int(places[index * shape.rank + axis])
          guard coordinate >= 0, coordinate < shape[axis] else {
            throw malformed(place, "index \(coordinate) is outside \(shape)")
          }
          flat = flat * shape[axis] + coordinate
        }
      }
      guard flat >= 0, flat < shape.elementCount else {
        throw malformed(place, "index \(flat) is outside \(shape)")
      }
      result.setElement(flat, from: values, at: index)
    }
    return result
  }

  private static let maxSparseElements = 1 << 22
  /// A smaller tensor is copied: it costs nothing, and is aligned.
  private static let minMappedBytes = 1 << 12

  private func raw(
    _ file: ModelFile, _ range: Range<Int>, _ type: ElementType, _ shape: Shape, _ place: String
  ) throws(ModelFormatError) -> Tensor {
    let expected = TensorReader.packedBytes(type, shape)
    guard range.count == expected else {
      throw malformed(
        place, "\(shape) of \(type.name) takes \(expected) bytes; the file has \(range.count)")
    }
    if type.packedBits < 8 {
      try expand(shape.elementCount, place)
      return file.bytes.withUnsafeBytes { bytes in
        unpacked(UnsafeRawBufferPointer(rebasing: bytes[range]), type, shape)
      }
    }
    if type != .bool, expected >= TensorReader.minMappedBytes {
      return Tensor(
        type, shape: shape, buffer: file.buffer(range, elementSize: type.byteSize))
    }
    try expand(expected, place)
    let buffer = TensorBuffer(byteCount: expected)
    file.bytes.withUnsafeBytes { bytes in
      buffer.bytes.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
    if type == .bool {
      for index in 0..<expected where buffer.bytes[index] != 0 { buffer.bytes[index] = 1 }
    }
    return Tensor(type, shape: shape, buffer: buffer)
  }

  /// Counts bytes that are not used where they lie: a small file could ask for any number of them,
  /// with sparse tensors or with many over one piece of external data.
  private func expand(_ byteCount: Int, _ place: String) throws(ModelFormatError) {
    let allowed = externalFiles.maxExpandedBytes(beside: file.count)
    guard externalFiles.expand(byteCount, allowed: allowed) else {
      throw .unsupported(
        format: "ONNX",
        what: "\(place) takes \(byteCount) bytes in memory, more with the tensors before it than "
          + "the \(allowed) that files of this size may take",
        advice: "save sparse weights densely, and each tensor once")
    }
  }

  /// Bytes that a tensor takes in a file.
  private static func packedBytes(_ type: ElementType, _ shape: Shape) -> Int {
    let bits = type.packedBits
    guard bits > 0 else { return 0 }
    // A shape's element count leaves room for 16 bytes an element, and not for as many bits.
    if bits >= 8 { return shape.elementCount * (bits / 8) }
    let perByte = 8 / bits
    return shape.elementCount / perByte + (shape.elementCount % perByte > 0 ? 1 : 0)
  }

  /// Elements that share bytes, each in a byte of its own: the first lies in the lowest bits.
  /// Precondition: `bytes` has as many as the shape takes.
  private func unpacked(
    _ bytes: some Collection<UInt8>, _ type: ElementType, _ shape: Shape
  ) -> Tensor {
    let bits = type.packedBits
    let unused = UInt8(8 - bits)
    let isSigned = type.storage == .int8
    let buffer = TensorBuffer(byteCount: shape.elementCount)
    var index = 0
    for byte in bytes {
      for shift in stride(from: 0, to: 8, by: bits) where index < shape.elementCount {
        let raised = (byte >> UInt8(shift)) << unused
        buffer.bytes[index] =
          isSigned ? UInt8(bitPattern: Int8(bitPattern: raised) >> unused) : raised >> unused
        index += 1
      }
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
      let buffer = TensorBuffer(byteCount: words.count * MemoryLayout<Word>.stride)
      words.withUnsafeBytes { buffer.bytes.copyMemory(from: $0) }
      return Tensor(type, shape: shape, buffer: buffer)
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
      return renamed(message.int32s.map { $0 == 0 ? UInt8(0) : 1 })
    case .float16, .bfloat16:
      try check(message.int32s.count)
      return renamed(message.int32s.map { UInt16(truncatingIfNeeded: $0) })
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      try check(message.int32s.count)
      return renamed(message.int32s.map { UInt8(truncatingIfNeeded: $0) })
    case .int4, .uint4, .int2, .uint2:
      let expected = TensorReader.packedBytes(type, shape)
      guard message.int32s.count == expected else {
        throw malformed(
          place, "\(shape) takes \(expected) packed values; \(message.int32s.count) are there")
      }
      return unpacked(message.int32s.map { UInt8(truncatingIfNeeded: $0) }, type, shape)
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
    // By bytes, as the system reads it: a combining mark after a slash hides it among characters.
    let parts = location.utf8.split(
      separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    guard !location.isEmpty, !location.utf8.contains(0),
      !parts.contains(where: { $0.isEmpty || $0.elementsEqual("..".utf8) })
    else {
      throw .unsupported(
        format: "ONNX", what: "\(place) lies in '\(location)'",
        advice: "external data must lie below the model's folder, at a relative path without ..")
    }
    let path = "\(folder)/\(location)"
    // A link could lead out of the package whatever the path's text says.
    guard let real = resolved(path), let root = resolved(folder),
      root == "/" || real.utf8.starts(with: "\(root)/".utf8)
    else {
      throw .unreadable(path: path, reason: "external data of \(place) is not in the package")
    }
    let data = try externalFiles.file(real)
    let count = length ?? TensorReader.packedBytes(type, shape)
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

/// The files beside a model, each mapped once however many tensors lie in it.
private final class ExternalFiles {
  private var files: [String: ModelFile] = [:]
  private var expandedBytes = 0

  /// What integers of two bits take in bytes of their own, four times the files; and a little for
  /// small models.
  func maxExpandedBytes(beside byteCount: Int) -> Int {
    let total = files.values.reduce(byteCount) { $0 + $1.count }
    return 4 * total + (512 << 10)
  }

  /// False when it would be more than `allowed` together with what there was.
  func expand(_ byteCount: Int, allowed: Int) -> Bool {
    guard byteCount <= allowed - expandedBytes else { return false }
    expandedBytes += byteCount
    return true
  }

  func file(_ path: String) throws(ModelFormatError) -> ModelFile {
    if let known = files[path] { return known }
    let file = try ModelFile(path: path)
    files[path] = file
    return file
  }
}
