package import Documents
internal import Store

/// `model.yml`: Azure ML's model.schema, with our key `swerve:`.
package enum ModelYAML {
  /// What the document is called in a package.
  package static let fileName = "model.yml"

  private static let used = [
    "$schema", "name", "version", "type", "description", "tags", "properties", "stage", "path",
    "swerve",
  ]
  /// Fields that mean nothing on one host.
  private static let unused = [
    "flavors", "datastore", "system_metadata", "default_deployment_template",
    "allowed_deployment_templates",
  ]
  private static let types = ["custom_model", "mlflow_model", "triton_model"]

  /// What a model document registers.
  ///
  /// `swerve:` settings become properties, `swerve.columns` and so on, each as JSON text, because
  /// that is how they travel in ARM bodies. A `sample-request.json` and a `sample-response.json`
  /// beside the document, and the document itself, go into the package.
  ///
  /// - Parameter file: The document's absolute path: `path` in it is relative to its folder.
  package static func registration(
    _ document: Document, file: String
  ) throws(DocumentError) -> ModelRegistration {
    try document.rejectUnknown(known: used + unused)
    let folder = DurableFile.parent(of: file)
    let path = try localPath(try document.required("path"), folder: folder)
    var registration = ModelRegistration(
      name: try document.required("name").text(), version: nil, path: path)
    registration.version = try document.optional("version")?.text()
    registration.description = try document.optional("description")?.text()
    registration.stage = try document.optional("stage")?.text()
    registration.tags = try document.optional("tags")?.strings() ?? [:]
    registration.properties = try document.optional("properties")?.strings() ?? [:]
    if let type = try document.optional("type") {
      registration.type = try type.string()
      guard types.contains(registration.type) else {
        throw type.received(registration.type, expected: types.joined(separator: ", "))
      }
    }
    if let settings = try document.optional("swerve") {
      for (key, value) in try properties(settings) { registration.properties[key] = value }
    }
    for name in ["sample-request.json", "sample-response.json"]
    where FolderTree.exists("\(folder)/\(name)") {
      registration.extraFiles[name] = "\(folder)/\(name)"
    }
    registration.extraFiles[fileName] = file
    return registration
  }

  /// The document's fields that are accepted and mean nothing here, for one notice.
  package static func unusedFields(of document: Document) throws(DocumentError) -> [String] {
    try document.object().keys.filter { unused.contains($0) }
  }

  private static func localPath(
    _ member: Document, folder: String
  ) throws(DocumentError) -> String {
    var path = try member.string()
    if path.hasPrefix("file://") { path.removeFirst("file://".count) }
    guard !path.isEmpty, !path.contains("://"), !path.hasPrefix("runs:/"),
      !path.hasPrefix("azureml:")
    else {
      throw member.received(path, expected: "the path of a file or folder on this machine")
    }
    return path.hasPrefix("/") ? path : "\(folder)/\(path)"
  }

  /// - Source: DESIGN.md §1: `properties["swerve.<path>"]`.
  private static func properties(_ settings: Document) throws(DocumentError) -> [String: String] {
    var properties: [String: String] = [:]
    try settings.rejectUnknown(known: ["columns", "response", "warmup"])
    if let columns = try settings.optional("columns") {
      properties["swerve.columns"] = try names(columns)
    }
    if let response = try settings.optional("response") {
      try response.rejectUnknown(known: ["outputs"])
      if let outputs = try response.optional("outputs") {
        properties["swerve.response.outputs"] = try names(outputs)
      }
    }
    if let warmup = try settings.optional("warmup") {
      try warmup.rejectUnknown(known: ["rtol", "atol"])
      for key in ["rtol", "atol"] {
        guard let tolerance = try warmup.optional(key) else { continue }
        let number = try tolerance.double(in: 0...1e300)
        properties["swerve.warmup.\(key)"] = json(.double(number))
      }
    }
    return properties
  }

  /// A list of names that differ, as JSON text.
  private static func names(_ list: Document) throws(DocumentError) -> String {
    var names: [String] = []
    var seen: Set<String> = []
    for element in try list.elements() {
      let name = try element.string()
      guard seen.insert(name).inserted else {
        throw element.received(name, expected: "a name that is not in the list yet")
      }
      names.append(name)
    }
    guard !names.isEmpty else { throw list.mismatch("a list of at least one name") }
    return json(.array(names.map { .string($0) }))
  }

  private static func json(_ value: DocumentValue) -> String {
    var writer = JSONWriter()
    writer.document(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }
}

extension Document {
  fileprivate func received(_ text: String, expected: String) -> DocumentError {
    .value(source: source, path: path, expected: expected, received: "'\(text)'")
  }
}
