internal import Documents
internal import Serving

/// What a caller asks a batch endpoint for: `{"properties": {"inputData", "outputData", …}}`, in any
/// letter case, or the older form with `dataset`. Source: `AZUREML.md` §4.1.
struct JobRequest: Equatable {
  /// An address with what it is said to be.
  struct Place: Equatable {
    var address: String
    /// `UriFile`; else `UriFolder`; nil where the caller does not say.
    var isFile: Bool?
    /// Where it stands in the body.
    var path: String
  }

  /// The job's, where the caller gives one.
  var name: String?
  var input: Place
  /// nil: the default place.
  var output: Place?
  /// What differs from the deployment's settings, as `settings` and `swerve` have it in YAML.
  var settings = DocumentObject()
  var extensions = DocumentObject()
  /// Which files of a folder.
  var glob: String?
  /// The rest, as texts: kept and told back.
  var properties: [String: String] = [:]

  init(_ document: Document) throws(DocumentError) {
    var body = try ARMBody(document.value, source: document.source, path: document.path)
    guard var properties = try body.body("properties") else {
      throw .missingField(source: document.source, path: "\(document.path).properties")
    }
    input = try Self.input(&properties)
    output = try Self.output(&properties)
    name = try properties.text("name")
    settings = try BatchBody.settings(&properties)
    var own = try properties.texts("properties")
    extensions = try BatchBody.takeExtensions(from: &own, source: document.source)
    glob = own.removeValue(forKey: "swerve.glob")
    for key in own.keys.sorted() where key.hasPrefix("swerve.") {
      throw .unknownField(
        source: document.source, path: "\(properties.path).properties['\(key)']", nearest: nil)
    }
    for key in ["experimentName", "displayName", "description"] {
      if let text = try properties.text(key) { own[key] = text }
    }
    for (key, value) in try properties.texts("tags") { own["tags.\(key)"] = value }
    // How many machines there are is not asked here.
    properties.skip("compute", "identityConfiguration", "isArchived", "services", "status")
    for (key, value) in properties.rest.members {
      if case .string(let text) = value { own[key] = text } else { own[key] = ARM.json(value) }
    }
    self.properties = own
  }

  // MARK: Input

  private static func input(_ properties: inout ARMBody) throws(DocumentError) -> Place {
    guard var inputs = try properties.body("inputData") else {
      guard let dataset = try properties.body("dataset") else {
        throw .missingField(source: properties.source, path: "\(properties.path).inputData")
      }
      return try older(dataset)
    }
    let members = inputs.rest.members
    guard let (name, value) = members.first, members.count == 1 else {
      throw .value(
        source: properties.source, path: inputs.path,
        expected: "exactly one input: a model's deployment reads one file or folder",
        received: members.isEmpty
          ? "empty" : "\(members.count) inputs (\(members.map(\.key).joined(separator: ", ")))")
    }
    _ = inputs.value(name)
    var input = try ARMBody(value, source: inputs.source, path: "\(inputs.path).\(name)")
    let kind = try input.text("jobInputType")
    return try place(&input, kind: kind, member: "jobInputType")
  }

  /// `{"dataInputType": "DataUrl", "path"}`, and the two that name an asset.
  private static func older(_ dataset: ARMBody) throws(DocumentError) -> Place {
    var dataset = dataset
    let kind = try dataset.text("dataInputType")
    switch kind?.lowercased() {
    case nil, "dataurl":
      guard let path = try dataset.text("path") else {
        throw .missingField(source: dataset.source, path: "\(dataset.path).path")
      }
      return Place(address: path, path: "\(dataset.path).path")
    case "dataversion":
      guard let name = try dataset.text("datasetName") else {
        throw .missingField(source: dataset.source, path: "\(dataset.path).datasetName")
      }
      let version = try dataset.text("datasetVersion")
      return Place(
        address: version.map { "azureml:\(name):\($0)" } ?? "azureml:\(name)@latest",
        path: dataset.path)
    case "dataid":
      guard let id = try dataset.text("datasetId") else {
        throw .missingField(source: dataset.source, path: "\(dataset.path).datasetId")
      }
      return Place(address: id, path: "\(dataset.path).datasetId")
    default:
      throw .value(
        source: dataset.source, path: "\(dataset.path).dataInputType",
        expected: "'DataUrl', 'DataVersion' or 'DataId'", received: "'\(kind ?? "")'")
    }
  }

  /// `{"jobInputType": "UriFolder", "uri"}`; an output has the same members.
  private static func place(
    _ body: inout ARMBody, kind: String?, member: String
  ) throws(DocumentError) -> Place {
    var isFile: Bool?
    if let kind {
      switch kind.lowercased().filter({ $0 != "_" }) {
      case "urifile": isFile = true
      case "urifolder": isFile = false
      default:
        throw .value(
          source: body.source, path: "\(body.path).\(member)",
          expected:
            "'UriFolder' or 'UriFile': a model's deployment takes no literals and no assets "
            + "of other kinds",
          received: "'\(kind)'")
      }
    }
    guard let uri = try body.text("uri") else {
      throw .missingField(source: body.source, path: "\(body.path).uri")
    }
    return Place(address: uri, isFile: isFile, path: "\(body.path).uri")
  }

  // MARK: Output

  private static func output(_ properties: inout ARMBody) throws(DocumentError) -> Place? {
    if var dataset = try properties.body("outputDataset") {
      guard let path = try dataset.text("path") else {
        throw .missingField(source: dataset.source, path: "\(dataset.path).path")
      }
      let datastore = try dataset.text("datastoreId")
      return Place(
        address: datastore.map { "\($0)/paths/\(path)" } ?? path, isFile: false,
        path: "\(dataset.path).path")
    }
    guard let outputs = try properties.body("outputData") else { return nil }
    let members = outputs.rest.members
    guard let (name, value) = members.first else { return nil }
    guard members.count == 1 else {
      throw .value(
        source: outputs.source, path: outputs.path, expected: "at most one output",
        received: "\(members.count) outputs (\(members.map(\.key).joined(separator: ", ")))")
    }
    var output = try ARMBody(value, source: outputs.source, path: "\(outputs.path).\(name)")
    let kind = try output.text("jobOutputType")
    return try place(&output, kind: kind, member: "jobOutputType")
  }
}
