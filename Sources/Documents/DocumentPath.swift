/// Places inside a document as the command line writes them: `traffic.blue`, `inputs[0].name`.
extension DocumentValue {
  private enum Step {
    case member(String)
    case element(Int)
    /// `[]` or `[*]`: what follows is asked of each element.
    case every
  }

  /// The value at `path`; nil where there is none. `names[].first` gives a list of the `first`
  /// of each element, as `--query` of Azure's command does.
  package func value(at path: String) -> DocumentValue? {
    guard let steps = DocumentValue.steps(of: path) else { return nil }
    return value(along: steps[...])
  }

  private func value(along steps: ArraySlice<Step>) -> DocumentValue? {
    guard let step = steps.first else { return self }
    switch (step, self) {
    case (.member(let key), .object(let object)):
      return object[key]?.value(along: steps.dropFirst())
    case (.element(let index), .array(let elements)):
      let position = index < 0 ? elements.count + index : index
      guard elements.indices.contains(position) else { return nil }
      return elements[position].value(along: steps.dropFirst())
    case (.every, .array(let elements)):
      return .array(elements.compactMap { $0.value(along: steps.dropFirst()) })
    default:
      return nil
    }
  }

  /// Carries out `path=value` of `--set`: the value is read as YAML, objects on the way are made.
  ///
  /// - Throws: `DocumentError` when the path is none, or leads through something that is no object.
  package mutating func set(assignment: String) throws(DocumentError) {
    guard let separator = assignment.firstIndex(of: "=") else {
      throw .value(
        source: "--set", path: assignment, expected: "path=value", received: "no equals sign")
    }
    let path = String(assignment[..<separator])
    let text = String(assignment[assignment.index(after: separator)...])
    let value: DocumentValue =
      text.isEmpty ? .string("") : try YAMLReader.read(text, source: "--set \(path)")
    try set(value, at: path)
  }

  /// Puts `value` at `path`. A list takes a new element at the index just past its end.
  package mutating func set(_ value: DocumentValue, at path: String) throws(DocumentError) {
    guard let steps = DocumentValue.steps(of: path) else {
      throw .value(
        source: "--set", path: path, expected: "a path like traffic.blue or inputs[0]",
        received: "'\(path)'")
    }
    try set(value, along: steps[...], path: path)
  }

  private mutating func set(
    _ value: DocumentValue, along steps: ArraySlice<Step>, path: String
  ) throws(DocumentError) {
    guard let step = steps.first else {
      self = value
      return
    }
    switch (step, self) {
    case (.member(let key), .object(var object)):
      var member = object[key] ?? .null
      try member.set(value, along: steps.dropFirst(), path: path)
      object[key] = member
      self = .object(object)
    case (.member(let key), .null):
      var member = DocumentValue.null
      try member.set(value, along: steps.dropFirst(), path: path)
      self = .object(DocumentObject([key: member]))
    case (.element(let index), .array(var elements)) where (0..<elements.count) ~= index:
      try elements[index].set(value, along: steps.dropFirst(), path: path)
      self = .array(elements)
    case (.element(let index), .array(var elements)) where index == elements.count:
      var element = DocumentValue.null
      try element.set(value, along: steps.dropFirst(), path: path)
      elements.append(element)
      self = .array(elements)
    case (.member(let key), _):
      throw .value(
        source: "--set", path: path, expected: "an object to hold '\(key)'", received: kindName)
    case (.element(let index), _):
      throw .value(
        source: "--set", path: path, expected: "a list with an element \(index)",
        received: kindName)
    case (.every, _):
      throw .value(source: "--set", path: path, expected: "one place", received: "'[]'")
    }
  }

  private static func steps(of path: String) -> [Step]? {
    var steps: [Step] = []
    for part in path.split(separator: ".", omittingEmptySubsequences: false) {
      let name = part.prefix { $0 != "[" }
      var rest = part.dropFirst(name.count)
      guard !name.isEmpty || (!rest.isEmpty && steps.isEmpty) else { return nil }
      if !name.isEmpty, !(name == "$" && steps.isEmpty) { steps.append(.member(String(name))) }
      while !rest.isEmpty {
        guard rest.first == "[", let end = rest.firstIndex(of: "]") else { return nil }
        let index = rest[rest.index(after: rest.startIndex)..<end]
        if index.isEmpty || index == "*" {
          steps.append(.every)
        } else if let number = Int(index) {
          steps.append(.element(number))
        } else {
          return nil
        }
        rest = rest[rest.index(after: end)...]
      }
    }
    return steps
  }
}
