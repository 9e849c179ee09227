internal import Documents
internal import Executors

/// What an MLflow model says it takes. Source: `FORMATS.md` §6, `WIRE.md` §2.5.
///
/// Inputs, outputs and parameters are JSON texts inside the YAML. Columns come by name; the
/// casts that MLflow calls safe are made, others are refused; extra columns are passed over.
struct MLflowSignature: Equatable {
  /// In order; nil when there is no signature, or it is of tensors or nameless columns.
  var columns: [String]?
  /// Whether its inputs are tensors.
  var isOfTensors = false
  /// One a column, where `columns` are.
  var rules: [ColumnRule]?
  /// Places in `columns` of those that a request may leave out.
  var optional: Set<Int> = []
  /// The places of columns of float32, in a table or a tensor: what comes is rounded to that
  /// before the model, which may take doubles, sees it.
  var floats: Floats?
  /// nil without a signature: MLflow passes parameters over then.
  var parameters: [ModelParameter]?

  enum Floats: Equatable {
    case all
    case columns(Set<Int>)
  }

  init(_ signature: DocumentValue?, path: String) throws(ModelFormatError) {
    guard case .object(let members)? = signature else { return }
    parameters = try MLflowSignature.list(members["params"], "params", path).compactMap {
      if case .object(let object) = $0 { return MLflowSignature.parameter(object) }
      return nil
    }
    var names: [String] = []
    var rules: [ColumnRule] = []
    var floats: Set<Int> = []
    for input in try MLflowSignature.list(members["inputs"], "inputs", path) {
      // A tensor, or a column without a name: the model's own order counts.
      guard case .object(let column) = input else { return }
      isOfTensors = column["tensor-spec"] != nil
      if case .object(let tensor)? = column["tensor-spec"],
        case .string("float32")? = tensor["dtype"]
      {
        self.floats = .all
      }
      guard !isOfTensors, case .string(let name)? = column["name"],
        case .string(let type)? = column["type"]
      else { return }
      guard let rule = MLflowSignature.rule(type) else {
        throw .unsupported(
          format: "MLflow", what: "column '\(name)' is of type \(type)",
          advice: "boolean, integer, long, float, double and string columns can be sent")
      }
      if type == "float" { floats.insert(names.count) }
      if case .bool(false)? = column["required"] { optional.insert(names.count) }
      names.append(name)
      rules.append(rule)
    }
    if !names.isEmpty {
      columns = names
      self.rules = rules
      if !floats.isEmpty { self.floats = .columns(floats) }
    }
  }

  private static func parameter(_ object: DocumentObject) -> ModelParameter? {
    guard case .string(let name)? = object["name"] else { return nil }
    // Older files say `dtype`.
    guard case .string(let type)? = object["type"] ?? object["dtype"] else {
      return ModelParameter(name: name, kind: .other, typeName: "object")
    }
    let kind: ModelParameter.Kind =
      switch type {
      case "boolean": .boolean
      case "integer", "long": .integer
      case "float", "double": .number
      case "string", "datetime": .text
      default: .other
      }
    var isList = false
    if case .array? = object["shape"] { isList = true }
    return ModelParameter(name: name, kind: kind, isList: isList, typeName: type)
  }

  private static func rule(_ type: String) -> ColumnRule? {
    switch type {
    case "boolean": .boolean
    case "integer": .integer(bits: 32)
    case "long": .integer(bits: 64)
    // Text is a category's name, or the model's own input is of strings.
    case "float", "double", "string": .number
    default: nil
    }
  }

  private static func list(
    _ member: DocumentValue?, _ name: String, _ path: String
  ) throws(ModelFormatError) -> [DocumentValue] {
    guard case .string(let text)? = member else { return [] }
    let value: DocumentValue
    do {
      value = try JSONReader.read(text, source: "signature.\(name)")
    } catch {
      throw .malformed(format: "MLflow", at: path, reason: "\(error)")
    }
    switch value {
    case .array(let elements): return elements
    case .null: return []
    default:
      throw .malformed(format: "MLflow", at: path, reason: "signature.\(name): expected a list")
    }
  }
}
