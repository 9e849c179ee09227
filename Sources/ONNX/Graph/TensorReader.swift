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
  let budget: LoadBudget

  init(file: ModelFile) {
    self.file = file
    budget = LoadBudget(modelBytes: file.count)
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
    try expand(
      shape.elementCount * values.elementType.byteSize + values.alignedCopyByteCount
        + indices.alignedCopyByteCount, place)
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

  static let maxSparseElements = 1 << 22
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
        let buffer = TensorBuffer(byteCount: shape.elementCount)
        var unpacking = Unpacking(type, shape.elementCount)
        for byte in bytes[range] { unpacking.add(byte, to: buffer) }
        return Tensor(type, shape: shape, buffer: buffer)
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

  /// A node's own tensor. Operators read it as they are built, aligned.
  func attribute(
    _ message: TensorMessage, at place: String
  ) throws(ModelFormatError) -> Tensor {
    let tensor = try tensor(message, at: place)
    try expand(tensor.alignedCopyByteCount, place)
    return tensor
  }

  /// Counts bytes that are not used where they lie: sparse tensors, or many over one piece of
  /// external data, could be any number of them.
  private func expand(_ byteCount: Int, _ place: String) throws(ModelFormatError) {
    guard budget.expand(byteCount) else {
      throw .unsupported(
        format: "ONNX",
        what: "\(place) takes \(byteCount) bytes in memory, more with the tensors before it than "
          + "the \(budget.maxExpandedBytes) that files of this size may take",
        advice: "save weights densely and as raw data, and each tensor once")
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

  /// Values in the typed fields, read straight to where they are to lie. Small types share
  /// `int32_data`, half floats as bit patterns.
  private func decoded(
    _ message: TensorMessage, _ type: ElementType, _ shape: Shape, _ place: String
  ) throws(ModelFormatError) -> Tensor {
    let field = TensorReader.field(type)
    let count = message.typedCounts[field] ?? 0
    let expected =
      type.packedBits < 8 && type != .string
      ? TensorReader.packedBytes(type, shape) : shape.elementCount
    guard count == expected else {
      throw malformed(place, "\(shape) takes \(expected) values; \(count) are there")
    }
    if type == .string {
      // Each has a place in a list beside its bytes.
      try expand(message.stringBytes + count * MemoryLayout<Int>.size, place)
      var strings = ByteStrings()
      strings.reserve(elements: count, bytes: message.stringBytes)
      try message.forEachChunk(.strings, in: file.bytes) { range in
        file.bytes.extracting(range).withUnsafeBytes { strings.append($0) }
      }
      return Tensor(strings: strings, shape: shape)
    }
    // A number of 64 bits below 128 takes a byte in the file: eight times is what such a field may
    // always take, so it counts half.
    let counted = field == .int64s || field == .uint64s ? type.byteSize / 2 : type.byteSize
    try expand(shape.elementCount * counted, place)
    let buffer = TensorBuffer(byteCount: shape.elementCount * type.byteSize)
    switch field {
    case .floats, .doubles:
      // The system's byte order is the file's.
      var end = 0
      try message.forEachChunk(field, in: file.bytes) { range throws(ModelFormatError) in
        // Counted in an earlier pass: whoever writes to the file meanwhile could change that.
        guard range.count <= buffer.byteCount - end else { throw changed(place) }
        file.bytes.extracting(range).withUnsafeBytes { bytes in
          UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[end...]).copyMemory(from: bytes)
        }
        end += range.count
      }
    case .int32s, .int64s, .uint64s, .strings:
      if type.packedBits < 8 {
        var unpacking = Unpacking(type, shape.elementCount)
        try message.forEachInteger(field, in: file.bytes) {
          unpacking.add(UInt8(truncatingIfNeeded: $0), to: buffer)
        }
      } else {
        try fill(buffer, type, field, message, place)
      }
    }
    return Tensor(type, shape: shape, buffer: buffer)
  }

  private func changed(_ place: String) -> ModelFormatError {
    .unreadable(path: file.path, reason: "it changed while \(place) was read")
  }

  private static func field(_ type: ElementType) -> TensorMessage.Field {
    switch type {
    case .float32: .floats
    case .float64: .doubles
    case .int64: .int64s
    case .uint64, .uint32: .uint64s
    case .string: .strings
    case .int32, .int16, .int8, .uint16, .uint8, .bool, .float16, .bfloat16: .int32s
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: .int32s
    case .int4, .uint4, .int2, .uint2: .int32s
    }
  }

  /// The lowest bytes of each integer.
  private func fill(
    _ buffer: TensorBuffer, _ type: ElementType, _ field: TensorMessage.Field,
    _ message: TensorMessage, _ place: String
  ) throws(ModelFormatError) {
    func fill<Word: FixedWidthInteger & BitwiseCopyable>(
      _: Word.Type, isBoolean: Bool = false
    ) throws(ModelFormatError) {
      let words = buffer.bytes.bindMemory(to: Word.self)
      var index = 0
      try message.forEachInteger(field, in: file.bytes) { value throws(ModelFormatError) in
        guard index < words.count else { throw changed(place) }
        words[index] = isBoolean ? (value == 0 ? 0 : 1) : Word(truncatingIfNeeded: value)
        index += 1
      }
    }
    switch type.byteSize {
    case 1: try fill(UInt8.self, isBoolean: type == .bool)
    case 2: try fill(UInt16.self)
    case 4: try fill(UInt32.self)
    default: try fill(UInt64.self)
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
    let data = try budget.file(try externalPath(location, place))
    let count = length ?? TensorReader.packedBytes(type, shape)
    guard offset <= data.count, count <= data.count - offset else {
      throw malformed(
        place, "bytes \(offset) and \(count) on are wanted; '\(location)' has \(data.count)")
    }
    return try raw(data, offset..<(offset + count), type, shape, place)
  }

  /// Where a file of the package really lies.
  private func externalPath(
    _ location: String, _ place: String
  ) throws(ModelFormatError) -> String {
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
    return real
  }

  /// Maps the files beside the model: what tensors may take goes by the size of all of them, and
  /// not by those that happen to come first. One that cannot be mapped is told by its tensor.
  func mapExternalFiles(_ model: ModelMessage) {
    var seen: Set<String> = []
    if let graph = model.graph { mapExternalFiles(graph, &seen) }
    for function in model.functions { mapExternalFiles(function.nodes, &seen) }
  }

  private func mapExternalFiles(_ graph: GraphMessage, _ seen: inout Set<String>) {
    for tensor in graph.initializers { mapExternalFile(tensor, &seen) }
    for sparse in graph.sparseInitializers {
      mapExternalFile(sparse.values, &seen)
      mapExternalFile(sparse.indices, &seen)
    }
    mapExternalFiles(graph.nodes, &seen)
  }

  private func mapExternalFiles(_ nodes: [NodeMessage], _ seen: inout Set<String>) {
    for attribute in nodes.lazy.flatMap(\.attributes) {
      if let tensor = attribute.tensor { mapExternalFile(tensor, &seen) }
      if let sparse = attribute.sparseTensor {
        mapExternalFile(sparse.values, &seen)
        mapExternalFile(sparse.indices, &seen)
      }
      for graph in attribute.graphs { mapExternalFiles(graph, &seen) }
    }
  }

  private func mapExternalFile(_ tensor: TensorMessage, _ seen: inout Set<String>) {
    guard tensor.isExternal, let location = tensor.external.last(where: { $0.key == "location" }),
      seen.insert(location.value).inserted,
      let path = try? externalPath(location.value, "")
    else { return }
    // Only counted here: whoever reads the tensor throws what is wrong with its file.
    _ = try? budget.file(path)
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

/// Elements that share bytes, each in a byte of its own: the first lies in the lowest bits.
private struct Unpacking {
  private let bits: Int
  private let isSigned: Bool
  private let count: Int
  private var index = 0

  init(_ type: ElementType, _ count: Int) {
    bits = type.packedBits
    isSigned = type.storage == .int8
    self.count = count
  }

  mutating func add(_ byte: UInt8, to buffer: TensorBuffer) {
    let unused = UInt8(8 - bits)
    for shift in stride(from: 0, to: 8, by: bits) where index < count {
      let raised = (byte >> UInt8(shift)) << unused
      buffer.bytes[index] =
        isSigned ? UInt8(bitPattern: Int8(bitPattern: raised) >> unused) : raised >> unused
      index += 1
    }
  }
}
