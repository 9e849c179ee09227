import Foundation
import Tensors

/// The shared corpus: models with inputs and the reference library's answers.
enum Corpus {
  struct Manifest: Decodable { var models: [Model] }
  struct Model: Decodable, CustomStringConvertible {
    var name: String
    var format: String
    var model: String
    var inputs: [Item]
    var outputs: [Item]
    var description: String { name }
  }
  struct Item: Decodable {
    var name: String
    var dtype: String
    var shape: [Int]
    var file: String
    var compare: Compare?
  }
  struct Compare: Decodable {
    var mode: String
    var rtol: Double?
    var atol: Double?
  }

  static let packageRoot: String = {
    let parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    return parts.dropLast(3).joined(separator: "/")
  }()

  static let folder: String = {
    let shared =
      ProcessInfo.processInfo.environment["SWERVE_SHARED"] ?? packageRoot + "/../shared"
    return shared + "/corpus"
  }()

  /// The ONNX models; empty where the corpus is not there.
  static let models: [Model] = {
    guard let data = FileManager.default.contents(atPath: folder + "/manifest.json"),
      let manifest = try? JSONDecoder().decode(Manifest.self, from: data)
    else { return [] }
    return manifest.models.filter { $0.format == "onnx" }
  }()

  static func tensor(_ item: Item, of model: Model) throws -> Tensor {
    let path = "\(folder)/\(model.name)/\(item.file)"
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    if item.file.hasSuffix(".npy") { return try NPYFormat.read(Array(bytes)) }
    var strings: [String] = []
    func collect(_ value: Any) {
      if let text = value as? String { strings.append(text) }
      if let list = value as? [Any] { for item in list { collect(item) } }
    }
    collect(try JSONSerialization.jsonObject(with: bytes))
    return Tensor(strings: ByteStrings(strings), shape: try Shape(checking: item.shape))
  }
}

/// Numbers as doubles, to compare with a tolerance.
func doubles(_ tensor: Tensor) -> [Double] {
  switch tensor.elementType {
  case .float32:
    let values = tensor.values(as: Float.self)
    return values.indices.map { Double(values[$0]) }
  case .float64:
    let values = tensor.values(as: Double.self)
    return values.indices.map { values[$0] }
  case .int64:
    let values = tensor.values(as: Int64.self)
    return values.indices.map { Double(values[$0]) }
  case .int32:
    let values = tensor.values(as: Int32.self)
    return values.indices.map { Double(values[$0]) }
  case .int8, .int4, .int2:
    let values = tensor.values(as: Int8.self)
    return values.indices.map { Double(values[$0]) }
  case .uint8, .bool, .uint4, .uint2, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2,
    .float8e5m2fnuz, .float8e8m0:
    // Floats of one byte are compared by their bits.
    let values = tensor.values(as: UInt8.self)
    return values.indices.map { Double(values[$0]) }
  case .float16:
    let values = tensor.values(as: Float16.self)
    return values.indices.map { Double(values[$0]) }
  case .int16:
    let values = tensor.values(as: Int16.self)
    return values.indices.map { Double(values[$0]) }
  case .uint16:
    let values = tensor.values(as: UInt16.self)
    return values.indices.map { Double(values[$0]) }
  case .uint32:
    let values = tensor.values(as: UInt32.self)
    return values.indices.map { Double(values[$0]) }
  case .uint64:
    let values = tensor.values(as: UInt64.self)
    return values.indices.map { Double(values[$0]) }
  case .bfloat16, .string: return []
  }
}

/// Why `got` is not close enough to `want`; nil when it is.
func difference(_ got: Tensor, _ want: Tensor, rtol: Double, atol: Double) -> String? {
  guard got.elementType == want.elementType, got.shape == want.shape else {
    return "\(got.elementType) \(got.shape), not \(want.elementType) \(want.shape)"
  }
  if got.elementType == .string { return got.strings == want.strings ? nil : "strings differ" }
  for (index, (left, right)) in zip(doubles(got), doubles(want)).enumerated() {
    let isClose =
      left == right || (left.isNaN && right.isNaN)
      || abs(left - right) <= atol + rtol * abs(right)
    if !isClose { return "element \(index) is \(left), not \(right)" }
  }
  return nil
}
