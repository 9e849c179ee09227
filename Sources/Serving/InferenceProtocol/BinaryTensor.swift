internal import Documents
internal import Tensors

/// A tensor as bytes on the wire: little endian, row-major, no padding; a text is its length in
/// four bytes, then itself. Source: `WIRE.md` §2.2.
enum BinaryTensor {
  enum Reading {
    case tensor(Tensor)
    /// Bytes that the shape takes.
    case size(expected: Int)
    case content(reason: String)
  }

  static func read(_ bytes: Span<UInt8>, _ type: ElementType, _ shape: Shape) -> Reading {
    if type == .string { return readStrings(bytes, shape) }
    // `Shape` has checked that this does not overflow.
    let expected = shape.elementCount * type.byteSize
    guard bytes.count == expected else { return .size(expected: expected) }
    if let range = range(of: type) {
      for index in bytes.indices where !range.contains(Int8(bitPattern: bytes[index])) {
        return .content(
          reason: "element \(index) of a \(type.wireName) tensor is byte \(bytes[index]); "
            + (type == .bool ? "expected 0 or 1" : "expected \(range)"))
      }
    }
    let buffer = TensorBuffer(byteCount: expected)
    bytes.withUnsafeBytes { source in buffer.bytes.copyMemory(from: source) }
    return .tensor(Tensor(type, shape: shape, buffer: buffer))
  }

  /// What a byte may be of a type that does not use all of it; nil for the others.
  private static func range(of type: ElementType) -> ClosedRange<Int8>? {
    switch type {
    case .bool: 0...1
    case .int4: -8...7
    case .uint4: 0...15
    case .int2: -2...1
    case .uint2: 0...3
    default: nil
    }
  }

  private static func readStrings(_ bytes: Span<UInt8>, _ shape: Shape) -> Reading {
    var strings = ByteStrings()
    // Each takes four bytes at least: no more are reserved than can come.
    strings.reserve(elements: min(shape.elementCount, bytes.count / 4), bytes: bytes.count)
    var position = 0
    while position < bytes.count {
      guard strings.count < shape.elementCount else {
        return .content(
          reason: "bytes follow the \(shape.elementCount) strings that the shape takes")
      }
      guard bytes.count - position >= 4 else {
        return .content(reason: "they end inside the length of string \(strings.count)")
      }
      var length = 0
      for index in 0..<4 { length |= Int(bytes[position + index]) << (8 * index) }
      position += 4
      guard length <= bytes.count - position else {
        return .content(
          reason: "string \(strings.count) has \(length) bytes, \(bytes.count - position) are left"
        )
      }
      bytes.withUnsafeBufferPointer { strings.append($0[position..<(position + length)]) }
      position += length
    }
    guard strings.count == shape.elementCount else {
      return .content(
        reason: "expected \(shape.elementCount) strings, as the shape says; "
          + "\(strings.count) came")
    }
    return .tensor(Tensor(strings: strings, shape: shape))
  }

  static func byteCount(_ tensor: Tensor) -> Int {
    guard tensor.elementType == .string else { return tensor.byteCount }
    let strings = tensor.strings
    return strings.byteCount + 4 * strings.count
  }

  static func write(_ tensor: Tensor, to writer: inout JSONWriter) {
    guard tensor.elementType == .string else {
      return tensor.bytes.withUnsafeBytes { writer.raw(bytes: $0) }
    }
    let strings = tensor.strings
    for index in 0..<strings.count {
      let element = strings[index]
      for shift in [0, 8, 16, 24] {
        writer.byte(UInt8(truncatingIfNeeded: element.count >> shift))
      }
      element.withUnsafeBytes { writer.raw(bytes: $0) }
    }
  }
}
