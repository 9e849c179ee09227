import Documents

/// A place in a document as `--query` and `--set` name it: `properties.a`, `value[0].name`,
/// `[].name` (of each element), `"a.b"` for a name with a dot.
struct DocumentPath {
  enum Step: Equatable {
    case member(String)
    case element(Int)
    case each
  }

  let steps: [Step]

  init(_ text: String) throws(CommandFailure) {
    var steps: [Step] = []
    var rest = Substring(text)
    while let first = rest.first {
      switch first {
      case ".":
        rest.removeFirst()
        if rest.isEmpty { throw CommandFailure("the path '\(text)' ends with a dot") }
      case "[":
        guard let close = rest.firstIndex(of: "]") else {
          throw CommandFailure("the path '\(text)' has no ']' for its '['")
        }
        let inner = rest[rest.index(after: rest.startIndex)..<close]
        if inner.isEmpty || inner == "*" {
          steps.append(.each)
        } else if let index = Int(inner) {
          steps.append(.element(index))
        } else {
          throw CommandFailure("'[\(inner)]' in the path '\(text)' is no index")
        }
        rest = rest[rest.index(after: close)...]
      case "\"":
        let inner = rest.dropFirst()
        guard let close = inner.firstIndex(of: "\"") else {
          throw CommandFailure("the path '\(text)' has an open quote")
        }
        steps.append(.member(String(inner[..<close])))
        rest = inner[inner.index(after: close)...]
      default:
        let name = rest.prefix { $0 != "." && $0 != "[" }
        steps.append(.member(String(name)))
        rest = rest.dropFirst(name.count)
      }
    }
    self.steps = steps
  }

  /// What is at this place; null where there is nothing, as `az --query` does.
  func value(in document: DocumentValue) -> DocumentValue {
    DocumentPath.value(in: document, steps[...])
  }

  private static func value(
    in document: DocumentValue, _ steps: ArraySlice<Step>
  ) -> DocumentValue {
    guard let step = steps.first else { return document }
    let rest = steps.dropFirst()
    switch (step, document) {
    case (.member(let name), .object(let object)):
      return object[name].map { value(in: $0, rest) } ?? .null
    case (.element(let index), .array(let elements)):
      let position = index < 0 ? elements.count + index : index
      return elements.indices.contains(position) ? value(in: elements[position], rest) : .null
    case (.each, .array(let elements)):
      return .array(elements.map { value(in: $0, rest) })
    default:
      return .null
    }
  }

  /// Puts `newValue` at this place, making the objects on the way.
  func set(_ newValue: DocumentValue, in document: inout DocumentValue) throws(CommandFailure) {
    document = try DocumentPath.replacing(document, steps[...], with: newValue)
  }

  private static func replacing(
    _ document: DocumentValue, _ steps: ArraySlice<Step>, with newValue: DocumentValue
  ) throws(CommandFailure) -> DocumentValue {
    guard let step = steps.first else { return newValue }
    let rest = steps.dropFirst()
    switch step {
    case .member(let name):
      var object: DocumentObject
      switch document {
      case .object(let existing): object = existing
      case .null: object = DocumentObject()
      default: throw CommandFailure("--set: '\(name)' is set in something that is no object")
      }
      object[name] = try replacing(object[name] ?? .null, rest, with: newValue)
      return .object(object)
    case .element(let index):
      guard case .array(var elements) = document, elements.indices.contains(index) else {
        throw CommandFailure("--set: there is no element \(index)")
      }
      elements[index] = try replacing(elements[index], rest, with: newValue)
      return .array(elements)
    case .each:
      throw CommandFailure("--set takes no []")
    }
  }
}

/// Applies `--set a.b=c` arguments to a YAML document. A value is read as YAML reads a scalar:
/// `2` is a number, `"2"` a string.
func apply(_ assignments: [String], to document: inout DocumentValue) throws(CommandFailure) {
  for assignment in assignments {
    guard let equals = assignment.firstIndex(of: "=") else {
      throw CommandFailure("--set takes NAME=VALUE; '\(assignment)' has no '='")
    }
    let path = try DocumentPath(String(assignment[..<equals]))
    let text = String(assignment[assignment.index(after: equals)...])
    let value: DocumentValue
    do {
      value = try YAMLReader.read(text, source: "--set \(assignment)")
    } catch {
      throw CommandFailure("\(error)")
    }
    try path.set(value, in: &document)
  }
}
