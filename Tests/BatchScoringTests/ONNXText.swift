/// ONNX files of a node, byte by byte: what jobs are tested with needs no more.
enum ONNXText {
  /// A model that gives its input `x`, float32, back as `y`; nil for a free dimension.
  static func identity(_ shape: [Int?]) -> [UInt8] {
    let node = text(1, "x") + text(2, "y") + text(4, "Identity")
    let graph =
      part(1, node) + text(2, "g") + part(11, value("x", shape)) + part(12, value("y", shape))
    return number(1, 8) + part(7, graph) + part(8, number(2, 13))
  }

  private static func value(_ name: String, _ shape: [Int?]) -> [UInt8] {
    let dimensions = shape.enumerated().flatMap { axis, size in
      part(1, size.map { number(1, $0) } ?? text(2, "d\(axis)"))
    }
    let tensor = number(1, 1) + part(2, dimensions)
    return text(1, name) + part(2, part(1, tensor))
  }

  private static func text(_ field: UInt8, _ text: String) -> [UInt8] {
    part(field, Array(text.utf8))
  }

  private static func part(_ field: UInt8, _ bytes: [UInt8]) -> [UInt8] {
    [field << 3 | 2] + varint(bytes.count) + bytes
  }

  private static func number(_ field: UInt8, _ number: Int) -> [UInt8] {
    [field << 3] + varint(number)
  }

  private static func varint(_ number: Int) -> [UInt8] {
    number < 128 ? [UInt8(number)] : [UInt8(number & 127 | 128)] + varint(number >> 7)
  }
}
