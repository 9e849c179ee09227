internal import Documents
internal import Registry
internal import Store

/// A model written into a deployment instead of a reference to one. Source: `AZUREML.md` §1.6.
package enum InlineModel {
  package struct Refusal: Error, Equatable {
    package var reason: String
  }

  static func read(
    _ value: DocumentValue, source: String, path: String, folder: String
  ) throws(DocumentError) -> Result<ModelRegistration, Refusal> {
    var fields = try FieldReader(value, source: source, path: path)
    let name = try fields.text("name") ?? ""
    let version = try fields.scalarText("version")
    let place = try fields.requiredText("path")
    let type =
      try fields.choice("type", of: ["custom_model", "mlflow_model", "triton_model"])
      ?? "custom_model"
    for (field, text) in [("name", name), ("version", version ?? "")]
    where !text.isEmpty && !ModelReferenceText.isPathName(text) {
      throw fields.fault(
        field, expected: "letters, digits, '.', '_' and '-' without '..'", .string(text))
    }
    let isRemote = place.contains("://") || place.hasPrefix("runs:/")
    var registration = ModelRegistration(
      name: name, version: version,
      path: isRemote ? place : absolutePath(trimmed(place), in: folder))
    registration.type = type
    registration.description = try fields.text("description")
    registration.tags = try fields.textMap("tags")
    registration.properties = try fields.textMap("properties")
    registration.stage = try fields.text("stage")
    fields.skip("$schema", "flavors", "datastore", "system_metadata")
    try fields.finish()
    if isRemote {
      return .failure(
        Refusal(
          reason: "model path '\(place)' is not on this machine; copy the model here and name "
            + "its file or folder"))
    }
    return .success(registration)
  }

  static func yaml(_ registration: ModelRegistration) -> DocumentValue {
    var object = DocumentObject()
    if !registration.name.isEmpty { object["name"] = .string(registration.name) }
    if let version = registration.version { object["version"] = .string(version) }
    object["path"] = .string(registration.path)
    object["type"] = .string(registration.type)
    if let description = registration.description { object["description"] = .string(description) }
    if !registration.tags.isEmpty { object["tags"] = .texts(registration.tags) }
    if !registration.properties.isEmpty {
      object["properties"] = .texts(registration.properties)
    }
    if let stage = registration.stage { object["stage"] = .string(stage) }
    return .object(object)
  }

  /// Joins and tidies: no `.`, no `..`, no double or last slash.
  package static func absolutePath(_ path: String, in folder: String) -> String {
    let whole = path.utf8.first == UInt8(ascii: "/") ? path : folder + "/" + path
    var parts: [String] = []
    for part in pathParts(whole) where !part.isEmpty && part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }

  private static func trimmed(_ text: String) -> String {
    var text = Substring(text)
    while text.last == " " { text.removeLast() }
    while text.first == " " { text.removeFirst() }
    return String(text)
  }
}
