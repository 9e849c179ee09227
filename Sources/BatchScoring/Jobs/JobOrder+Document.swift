internal import Documents
internal import Serving

/// An order as the database keeps it. Members are only ever added: a later version reads what an
/// earlier one wrote.
extension JobOrder {
  var document: DocumentValue {
    var object = DocumentObject()
    object["name"] = .string(name)
    object["endpoint"] = .string(endpoint)
    object["deployment"] = .string(deployment)
    object["model"] = .string(model)
    object["model_version"] = .string(modelVersion)
    var from = DocumentObject()
    from["root"] = .string(input.root)
    from["path"] = .string(input.path)
    from["address"] = .string(input.address)
    from["glob"] = input.glob.map { .string($0) }
    from["name"] = input.name.map { .string($0) }
    object["input"] = .object(from)
    var to = DocumentObject()
    to["root"] = .string(output.root)
    to["folder"] = .string(output.folder)
    to["address"] = .string(output.address)
    object["output"] = .object(to)
    object["settings"] = settings.document
    var tags = DocumentObject()
    for (key, value) in properties.sorted(by: { $0.key < $1.key }) { tags[key] = .string(value) }
    object["properties"] = .object(tags)
    object["actor"] = .string(actor)
    return .object(object)
  }

  init(_ document: Document) throws(DocumentError) {
    let from = try document.required("input")
    let to = try document.required("output")
    self.init(
      name: try document.required("name").string(),
      endpoint: try document.required("endpoint").string(),
      deployment: try document.required("deployment").string(),
      model: try document.required("model").string(),
      modelVersion: try document.required("model_version").string(),
      input: Input(
        root: try from.required("root").string(), path: try from.required("path").string(),
        address: try from.required("address").string(),
        glob: try from.optional("glob")?.string(), name: try from.optional("name")?.string()),
      output: Output(
        root: try to.required("root").string(), folder: try to.required("folder").string(),
        address: try to.required("address").string()),
      settings: try BatchSettings(stored: try document.required("settings")),
      actor: try document.required("actor").string())
    properties = try document.optional("properties")?.strings() ?? [:]
  }
}

extension BatchSettings {
  /// As the YAML names them; in `_SUCCESS.json` too.
  var document: DocumentValue {
    var output = DocumentObject()
    output["columns"] = .array(carriedColumns.map { .string($0) })
    output["format"] = format.map { .string($0.rawValue) }
    output["per_file"] = .bool(isPerFile)
    output["header"] = .bool(hasHeader)
    return [
      "mini_batch_size": .integer(Int64(miniBatchSize)),
      "mini_batch_rows": .integer(Int64(miniBatchRows)),
      "max_concurrency_per_instance": .integer(Int64(maxConcurrencyPerInstance)),
      "error_threshold": .integer(Int64(errorThreshold)),
      "max_retries": .integer(Int64(maxRetries)),
      "timeout": .integer(Int64(timeoutSeconds)),
      "output_action": .string(outputAction.rawValue),
      "output_file_name": .string(outputFileName),
      "logging_level": .string(loggingLevel),
      "output": .object(output),
    ]
  }

  init(stored document: Document) throws(DocumentError) {
    self.init()
    miniBatchSize = try document.required("mini_batch_size").integer()
    miniBatchRows = try document.required("mini_batch_rows").integer()
    maxConcurrencyPerInstance = try document.required("max_concurrency_per_instance").integer()
    errorThreshold = try document.required("error_threshold").integer()
    maxRetries = try document.required("max_retries").integer()
    timeoutSeconds = try document.required("timeout").integer()
    outputAction =
      OutputAction(rawValue: try document.required("output_action").string()) ?? .appendRow
    outputFileName = try document.required("output_file_name").string()
    loggingLevel = try document.required("logging_level").string()
    let output = try document.required("output")
    carriedColumns = try (output.optional("columns")?.elements() ?? [])
      .map { (column) throws(DocumentError) in try column.string() }
    if let name = try output.optional("format")?.string() { format = Format(rawValue: name) }
    isPerFile = try output.required("per_file").bool()
    hasHeader = try output.required("header").bool()
  }
}
