internal import Documents
internal import Registry

/// A model's document as `apply` reads it.
enum ModelDocument {
  static func registration(_ document: Document) throws(DocumentError) -> ModelRegistration {
    let registration = try ModelYAML.registration(document, file: document.source)
    for (field, text) in [("name", registration.name), ("version", registration.version ?? "1")]
    where !ModelReferenceText.isPathName(text) {
      throw .value(
        source: document.source, path: "\(document.path).\(field)",
        expected: "letters, digits, '.', '_' and '-' without '..'", received: "'\(text)'")
    }
    return registration
  }
}
