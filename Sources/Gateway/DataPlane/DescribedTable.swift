internal import Documents
internal import Executors
internal import Serving

/// The rows that a model takes, as its description has them: a table with columns, a list of
/// records where the columns have names, and bare rows where no signature demands the names.
struct DescribedTable {
  private struct Column {
    var name: String
    var cell: DocumentValue
    var isRequired: Bool
  }

  /// In the model's order; nil where they have no names.
  private var columns: [Column]?
  /// Values of a row; nil: any number.
  private var width: Int?
  /// What a cell may be, whichever column it is in.
  private var cells: [DocumentValue] = []
  private var demandsNames = false

  /// - Returns: nil for a model that takes no rows of columns.
  init?(_ deployment: LiveDeployment) {
    let inputs = deployment.model.signature.inputs
    if deployment.takesColumnPerInput {
      let columns = inputs.map {
        Column(
          name: $0.name, cell: OpenAPIDocument.cell($0.elementType), isRequired: $0.isRequired)
      }
      self.columns = columns
      width = columns.count
      cells = columns.map(\.cell)
    } else if inputs.count == 1, inputs[0].shape.count == 2 {
      let input = inputs[0]
      width = input.shape[1]
      if let names = input.columns, !names.isEmpty {
        columns = names.enumerated().map { column, name in
          Column(
            name: name, cell: Self.cell(input, column),
            isRequired: !input.optionalColumns.contains(column))
        }
        cells = columns?.map(\.cell) ?? []
        demandsNames = input.columnRules != nil
      } else {
        cells = [OpenAPIDocument.cell(input.elementType)]
        for column in input.categories.keys.sorted() { cells.append(Self.cell(input, column)) }
      }
    } else {
      return nil
    }
  }

  /// What is taken in place of one another, the fullest first.
  var forms: [DocumentValue] {
    var forms = [table]
    if let records { forms.append(records) }
    if !demandsNames { forms.append(["type": "array", "items": row]) }
    return forms
  }

  /// `{"columns": […], "index": […], "data": [[…]]}`.
  private var table: DocumentValue {
    var names = DocumentObject(["type": "array", "items": OpenAPIDocument.string])
    if let columns {
      let known = columns.map { DocumentValue.string($0.name) }
      names["items"] = ["type": "string", "enum": .array(known)]
      names["minItems"] = .integer(Int64(known.count))
      names["maxItems"] = .integer(Int64(known.count))
      names["uniqueItems"] = true
      names["example"] = .array(known)
    }
    let schema = OpenAPIDocument.object([
      ("columns", .object(names)), ("index", ["type": "array", "items": [:]]),
      ("data", ["type": "array", "items": row]),
    ])
    guard case .object(var members) = schema else { return schema }
    members["required"] = demandsNames ? ["columns", "data"] : ["data"]
    members["additionalProperties"] = false
    return .object(members)
  }

  private var records: DocumentValue? {
    guard let columns else { return nil }
    let schema = OpenAPIDocument.object(columns.map { ($0.name, $0.cell) })
    guard case .object(var members) = schema else { return schema }
    let required = columns.filter(\.isRequired).map { DocumentValue.string($0.name) }
    if !required.isEmpty { members["required"] = .array(required) }
    return ["type": "array", "items": .object(members)]
  }

  private var row: DocumentValue {
    var different: [DocumentValue] = []
    for cell in cells.flatMap(Self.alternatives) where !different.contains(cell) {
      different.append(cell)
    }
    let cell: DocumentValue =
      different.count == 1 ? different[0] : ["anyOf": .array(different)]
    var row = DocumentObject(["type": "array", "items": cell])
    if let width {
      row["minItems"] = .integer(Int64(width))
      row["maxItems"] = .integer(Int64(width))
    }
    return .object(row)
  }

  private static func alternatives(_ cell: DocumentValue) -> [DocumentValue] {
    if case .object(let members) = cell, case .array(let forms)? = members["anyOf"] { return forms }
    return [cell]
  }

  private static func cell(_ input: ModelInput, _ column: Int) -> DocumentValue {
    switch input.columnRules?[column] {
    case .boolean: return ["type": "boolean"]
    case .integer(let bits):
      return ["type": "integer", "format": .string(bits == 32 ? "int32" : "int64")]
    case .number, nil: break
    }
    let value = OpenAPIDocument.cell(input.elementType)
    // Where nobody knows which name has which code, names are refused.
    guard let categories = input.categories[column], categories.problem == nil else { return value }
    return ["anyOf": [value, OpenAPIDocument.string]]
  }
}
