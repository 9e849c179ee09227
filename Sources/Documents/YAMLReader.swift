private import Yams

/// Reads YAML texts: YAML 1.1 as PyYAML's safe loader reads it, which Azure ML's tools use.
///
/// Merge keys (`<<`) are carried out. A key that is no string becomes its text, so `1: a` has the
/// member `1`; a list or an object as a key is an error, and so is a tag of an application's own.
package enum YAMLReader {
  package static let maxByteCount = 10 << 20
  package static let maxDepth = 64
  /// Values of a document after its aliases are followed.
  static let maxNodes = 200_000

  /// The one document in `text`; null when it is empty.
  ///
  /// - Throws: `DocumentError`: syntax with line and column, duplicate keys, a second document,
  ///   and `.tooLarge` for what aliases blow up.
  package static func read(_ text: String, source: String) throws(DocumentError) -> DocumentValue {
    let documents = try documents(text, source: source, max: 1)
    return documents.first ?? .null
  }

  /// Every document in `text`, as `---` divides them.
  package static func documents(
    _ text: String, source: String
  ) throws(DocumentError) -> [DocumentValue] {
    try documents(text, source: source, max: .max)
  }

  private static func documents(
    _ text: String, source: String, max: Int
  ) throws(DocumentError) -> [DocumentValue] {
    guard text.utf8.count <= maxByteCount else {
      throw .tooLarge(
        source: source, reason: "\(text.utf8.count) bytes; at most \(maxByteCount) are read")
    }
    try YAMLGuard.check(text, source: source)
    var converter = YAMLConverter(source: source)
    do {
      let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
      var documents: [DocumentValue] = []
      while let root = try parser.nextRoot() {
        guard documents.count < max else {
          throw DocumentError.syntax(
            source: source, line: root.mark?.line ?? 1, column: root.mark?.column ?? 1,
            reason: "a second document begins; one was expected")
        }
        documents.append(try converter.value(of: root, depth: 0))
      }
      return documents
    } catch let error as DocumentError {
      throw error
    } catch let error as YamlError {
      throw documentError(error, source: source)
    } catch {
      throw .syntax(source: source, line: 1, column: 1, reason: "\(error)")
    }
  }

  private static func documentError(_ error: YamlError, source: String) -> DocumentError {
    switch error {
    case .scanner(let context, let problem, let mark, _),
      .parser(let context, let problem, let mark, _),
      .composer(let context, let problem, let mark, _):
      // libyaml's context reads like `while parsing a block mapping`.
      let reason = context.map { "\(problem) \($0.text)" } ?? problem
      return .syntax(source: source, line: mark.line, column: mark.column, reason: reason)
    case .reader(let problem, let offset, _, let yaml):
      var line = 1
      var column = 1
      for scalar in yaml.unicodeScalars.prefix(offset ?? 0) {
        (line, column) = scalar == "\n" ? (line + 1, 1) : (line, column + 1)
      }
      return .syntax(source: source, line: line, column: column, reason: problem)
    case .duplicatedKeysInMapping(let duplicates, let context):
      let names = duplicates.map { "\($0)" }.joined(separator: ", ")
      return .syntax(
        source: source, line: context.mark.line, column: context.mark.column,
        reason: "duplicate key '\(names)'")
    default:
      return .syntax(source: source, line: 1, column: 1, reason: "\(error)")
    }
  }
}

/// Turns Yams' nodes, whose aliases are followed already, into values within a budget.
private struct YAMLConverter {
  let source: String
  private var nodesLeft = YAMLReader.maxNodes
  /// Scalars that aliases repeat are paid for each time.
  private var bytesLeft = 4 * YAMLReader.maxByteCount

  init(source: String) { self.source = source }

  mutating func value(of node: Node, depth: Int) throws(DocumentError) -> DocumentValue {
    nodesLeft -= 1
    guard nodesLeft >= 0, bytesLeft >= 0 else {
      throw .tooLarge(
        source: source, reason: "its aliases make more than \(YAMLReader.maxNodes) values of it")
    }
    guard depth <= YAMLReader.maxDepth else {
      throw .tooLarge(
        source: source,
        reason: "nested deeper than \(YAMLReader.maxDepth) at line \(node.mark?.line ?? 1)")
    }
    switch node {
    case .scalar(let scalar):
      bytesLeft -= scalar.string.utf8.count
      return try value(of: scalar, node: node)
    case .sequence(let sequence):
      try checkTag(node, known: ["!", "tag:yaml.org,2002:seq", ""])
      var elements: [DocumentValue] = []
      for element in sequence { elements.append(try value(of: element, depth: depth + 1)) }
      return .array(elements)
    case .mapping(let mapping):
      try checkTag(node, known: ["!", "tag:yaml.org,2002:map", ""])
      return .object(try object(of: mapping, depth: depth))
    case .alias(let alias):
      throw syntax(node, "the alias '\(alias.anchor.rawValue)' has no anchor before it")
    }
  }

  private mutating func object(
    of mapping: Node.Mapping, depth: Int
  ) throws(DocumentError) -> DocumentObject {
    var object = DocumentObject()
    var merged: [DocumentObject] = []
    for (keyNode, valueNode) in mapping {
      guard case .scalar(let scalar) = keyNode else {
        throw syntax(keyNode, "a key must be a string")
      }
      bytesLeft -= scalar.string.utf8.count
      let member = try value(of: valueNode, depth: depth + 1)
      if scalar.string == "<<", scalar.style == .plain || scalar.style == .any {
        merged += try mergeSources(member, node: valueNode)
        continue
      }
      guard object[scalar.string] == nil else {
        throw syntax(keyNode, "duplicate key '\(scalar.string)'")
      }
      object[scalar.string] = member
    }
    // A member of the mapping itself wins over merged ones, an earlier source over a later.
    for members in merged {
      for (key, value) in members.members where object[key] == nil { object[key] = value }
    }
    return object
  }

  private func mergeSources(
    _ value: DocumentValue, node: Node
  ) throws(DocumentError) -> [DocumentObject] {
    switch value {
    case .object(let object): return [object]
    case .array(let elements):
      var objects: [DocumentObject] = []
      for element in elements {
        guard case .object(let object) = element else {
          throw syntax(node, "'<<' merges objects; \(element.kindName) came")
        }
        objects.append(object)
      }
      return objects
    default:
      throw syntax(node, "'<<' merges objects; \(value.kindName) came")
    }
  }

  private func value(of scalar: Node.Scalar, node: Node) throws(DocumentError) -> DocumentValue {
    let text = scalar.string
    let isPlain = scalar.style == .plain || scalar.style == .any
    switch scalar.tag.rawValue {
    case "" where isPlain:
      guard let value = YAMLScalar.value(ofPlain: text) else {
        throw syntax(node, "the number \(text.prefix(40)) is out of range")
      }
      return value
    case "", "!", "tag:yaml.org,2002:str":
      return .string(text)
    case "tag:yaml.org,2002:null":
      return .null
    case "tag:yaml.org,2002:bool":
      guard let bool = YAMLScalar.boolean(text) else { break }
      return .bool(bool)
    case "tag:yaml.org,2002:int":
      guard YAMLScalar.isInteger(Array(text.utf8)), let integer = YAMLScalar.integer(text) else {
        break
      }
      return .integer(integer)
    case "tag:yaml.org,2002:float":
      if YAMLScalar.isFloat(Array(text.utf8)) { return .double(YAMLScalar.float(text)) }
      guard let double = Double(text) else { break }
      return .double(double)
    default:
      throw syntax(node, "the tag \(scalar.tag.rawValue) is unknown")
    }
    throw syntax(node, "'\(text.prefix(40))' does not fit its tag \(scalar.tag.rawValue)")
  }

  private func checkTag(_ node: Node, known: [String]) throws(DocumentError) {
    let tag: Tag? =
      switch node {
      case .mapping(let mapping): mapping.tag
      case .sequence(let sequence): sequence.tag
      case .scalar, .alias: nil
      }
    guard let tag, !known.contains(tag.rawValue) else { return }
    throw syntax(node, "the tag \(tag.rawValue) is unknown")
  }

  private func syntax(_ node: Node, _ reason: String) -> DocumentError {
    .syntax(
      source: source, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1, reason: reason)
  }
}
