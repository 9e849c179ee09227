import Foundation

/// ONNX files written by hand, for tests that need large ones or ones whose bytes lie just so.
enum ModelBytes {
  static func varint(_ value: Int) -> [UInt8] {
    var rest = UInt64(bitPattern: Int64(value))
    var bytes: [UInt8] = []
    while rest > 127 {
      bytes.append(UInt8(rest & 127 | 128))
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func number(_ field: Int, _ value: Int) -> [UInt8] { varint(field << 3) + varint(value) }

  static func field(_ number: Int, _ content: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(content.count) + content
  }

  static func text(_ number: Int, _ content: String) -> [UInt8] {
    field(number, Array(content.utf8))
  }

  /// - Parameter data: The field that holds the elements, as `field` or `number` write it.
  static func tensor(_ name: String, type: Int, shape: [Int], data: [UInt8]) -> [UInt8] {
    shape.flatMap { number(1, $0) } + number(2, type) + text(8, name) + data
  }

  static func floats(_ name: String, _ shape: [Int], _ value: (Int) -> Float) -> [UInt8] {
    let values = (0..<shape.reduce(1, *)).map(value)
    return tensor(name, type: 1, shape: shape, data: field(9, values.withUnsafeBytes(Array.init)))
  }

  static func node(
    _ name: String, _ inputs: [String], _ output: String, _ attributes: [String: Int] = [:],
    lists: [String: [Int]] = [:]
  ) -> [UInt8] {
    var node = inputs.flatMap { text(1, $0) } + text(2, output) + text(4, name)
    for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
      node += field(5, text(1, key) + number(3, value) + number(20, 2))
    }
    for (key, values) in lists {
      node += field(5, text(1, key) + values.flatMap { number(8, $0) } + number(20, 7))
    }
    return node
  }

  static func value(_ name: String, type: Int = 1, _ shape: [Int?]) -> [UInt8] {
    let dimensions = shape.flatMap { field(1, $0.map { number(1, $0) } ?? text(2, "n")) }
    return text(1, name) + field(2, field(1, number(1, type) + field(2, dimensions)))
  }

  /// - Parameter producer: Moves everything behind it by its length.
  static func model(
    nodes: [[UInt8]], tensors: [[UInt8]], inputs: [[UInt8]], output: [UInt8], producer: String = "",
    opset: Int = 17
  ) -> [UInt8] {
    let graph =
      nodes.flatMap { field(1, $0) } + text(2, "g") + tensors.flatMap { field(5, $0) }
      + inputs.flatMap { field(11, $0) } + field(12, output)
    return number(1, 8) + text(2, producer) + field(8, text(1, "") + number(2, opset))
      + field(7, graph)
  }

  static func write(_ bytes: [UInt8]) throws -> String {
    let path = NSTemporaryDirectory() + "/swerve-\(UUID().uuidString).onnx"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }
}
