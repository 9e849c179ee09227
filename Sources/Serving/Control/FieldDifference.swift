internal import Documents
internal import Registry

/// What differs between two documents, field by field, for people.
enum FieldDifference {
  /// `traffic.blue: 90 → 50; traffic.green: 10 → 50`; empty when nothing does.
  static func text(from old: DocumentValue?, to new: DocumentValue) -> String {
    guard let old else { return "" }
    var lines: [String] = []
    compare(old, new, path: "", &lines)
    return lines.joined(separator: "; ")
  }

  private static func compare(
    _ old: DocumentValue?, _ new: DocumentValue?, path: String, _ lines: inout [String]
  ) {
    if old == new { return }
    let oldObject: DocumentObject? = if case .object(let object)? = old { object } else { nil }
    let newObject: DocumentObject? = if case .object(let object)? = new { object } else { nil }
    if oldObject != nil || newObject != nil,
      oldObject != nil || old == nil, newObject != nil || new == nil
    {
      let keys = (oldObject?.keys ?? []) + (newObject?.keys ?? []).filter { oldObject?[$0] == nil }
      for key in keys {
        compare(
          oldObject?[key], newObject?[key], path: path.isEmpty ? key : "\(path).\(key)", &lines)
      }
      return
    }
    lines.append("\(path): \(words(old)) → \(words(new))")
  }

  private static func words(_ value: DocumentValue?) -> String {
    guard let value else { return "(none)" }
    if let text = FieldReader.scalarText(value) { return text }
    return ResourceBody.json(value)
  }
}

extension ModelVersion {
  /// This version with what may change taken from a document.
  func with(_ registration: ModelRegistration) -> ModelVersion {
    var version = self
    version.description = registration.description
    version.tags = registration.tags
    version.properties = registration.properties
    version.stage = registration.stage
    return version
  }

  func difference(to other: ModelVersion) -> String {
    FieldDifference.text(from: words, to: other.words)
  }

  private var words: DocumentValue {
    [
      "description": description.map { .string($0) } ?? .null, "tags": .texts(tags),
      "properties": .texts(properties), "stage": stage.map { .string($0) } ?? .null,
    ]
  }
}
