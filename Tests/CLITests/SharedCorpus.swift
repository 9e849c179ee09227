import Foundation
import Tensors

/// The shared corpus: models with inputs and the answers of the library that made them.
struct SharedCorpus: Decodable {
  struct Model: Decodable, CustomStringConvertible {
    var name: String
    var format: String
    var model: String
    var inputs: [Item]
    var outputs: [Item]
    var requests: [String]?
    var response: String?
    var ops: [String]?
    var description: String { name }

    var folder: String { SharedCorpus.folder + "/" + name }
    var path: String { folder + "/" + model }

    /// Trees are compared in every bit, whatever the manifest would let pass.
    var isTree: Bool {
      let operators = ops ?? []
      return format.hasPrefix("xgboost") || format.hasPrefix("lightgbm")
        || name == "mlflow_xgboost"
        || (operators.contains { $0.contains("TreeEnsemble") }
          && operators.allSatisfy { $0.contains("TreeEnsemble") || $0.contains("Cast") })
    }
  }

  struct Item: Decodable {
    var name: String
    var dtype: String
    var shape: [Int]
    var file: String
    var compare: Rule?
  }

  struct Rule: Decodable {
    var mode: String
    var rtol: Double?
    var atol: Double?
  }

  var models: [Model]

  static let folder: String = {
    let shared =
      ProcessInfo.processInfo.environment["SWERVE_SHARED"]
      ?? GatewayProcess.packageRoot.path + "/../shared"
    return shared + "/corpus"
  }()

  /// nil where the corpus is not there.
  static let manifest: SharedCorpus? =
    FileManager.default.contents(atPath: folder + "/manifest.json")
    .flatMap { try? JSONDecoder().decode(SharedCorpus.self, from: $0) }
}

/// A list of numbers or of texts, as it stands in an answer or beside a model.
enum Column: Equatable {
  case numbers([Double])
  case texts([String])

  /// A `.npy` file, or a nested JSON list of strings.
  init(contentsOf path: String) throws {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    if path.hasSuffix(".npy") {
      self = .numbers(Column.doubles(try NPYFormat.read(Array(bytes))))
    } else {
      self = Column(json: try JSONSerialization.jsonObject(with: bytes))
    }
  }

  /// The leaves of nested lists, in order.
  init(json value: Any) {
    var texts: [String] = []
    var numbers: [Double] = []
    func collect(_ value: Any) {
      switch value {
      case let list as [Any]: for element in list { collect(element) }
      case let text as String: texts.append(text)
      case let number as NSNumber: numbers.append(number.doubleValue)
      case is NSNull: numbers.append(.nan)
      default: break
      }
    }
    collect(value)
    self = texts.isEmpty ? .numbers(numbers) : .texts(texts)
  }

  /// As the data of a named tensor; every digit that the double has.
  var json: String {
    switch self {
    case .texts(let texts):
      let list = (try? JSONSerialization.data(withJSONObject: texts)) ?? Data()
      return String(decoding: list, as: UTF8.self)
    case .numbers(let numbers):
      let list = numbers.map { number in
        number.isNaN
          ? "NaN"
          : number.isInfinite
            ? (number < 0 ? "-Infinity" : "Infinity")
            : number == number.rounded() && number.magnitude < 1e15
              ? String(Int64(number)) : "\(number)"
      }
      return "[" + list.joined(separator: ",") + "]"
    }
  }

  private static func doubles(_ tensor: Tensor) -> [Double] {
    func list<Element: TensorElement>(
      _: Element.Type, _ convert: (Element) -> Double
    ) -> [Double] {
      let values = tensor.values(as: Element.self)
      return values.indices.map { convert(values[$0]) }
    }
    switch tensor.elementType {
    case .float32: return list(Float.self) { Double($0) }
    case .float64: return list(Double.self) { $0 }
    case .int64: return list(Int64.self) { Double($0) }
    case .int32: return list(Int32.self) { Double($0) }
    case .bool, .uint8: return list(UInt8.self) { Double($0) }
    default: return []
    }
  }

  /// The largest difference, infinite where the kinds or counts differ, and whether all of them
  /// are within the rule.
  func difference(from want: Column, rule: SharedCorpus.Rule?) -> (worst: Double, passes: Bool) {
    switch (self, want) {
    case (.texts(let left), .texts(let right)):
      return left == right ? (0, true) : (.infinity, false)
    case (.numbers(let left), .numbers(let right)) where left.count == right.count:
      var worst = 0.0
      var passes = true
      for (got, want) in zip(left, right) where got != want && !(got.isNaN && want.isNaN) {
        let gap = abs(got - want)
        worst = max(worst, gap.isNaN ? .infinity : gap)
        if !(gap <= (rule?.atol ?? 0) + (rule?.rtol ?? 0) * abs(want)) { passes = false }
      }
      return (worst, passes)
    default: return (.infinity, false)
    }
  }
}
