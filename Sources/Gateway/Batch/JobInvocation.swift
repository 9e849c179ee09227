package import Documents
internal import Serving

/// The body of `POST …/batchEndpoints/{ep}/jobs`, made. Source: `AZUREML.md` §4.1.
package struct JobInvocation {
  /// An address, or an absolute path.
  package var input: String
  /// `UriFolder` or `UriFile`; nil: whatever lies there.
  package var inputType: String?
  /// A folder that does not exist yet; nil: the default place.
  package var output: String?
  package var name: String?
  package var glob: String?
  package var experimentName: String?
  /// What differs from the deployment's settings, by YAML's names.
  private var settings = DocumentObject()
  private var extensions = DocumentObject()

  package init(input: String) { self.input = input }

  /// Takes overrides as a deployment's YAML has them: `mini_batch_size`, also below `settings`, and
  /// what stands below `swerve`.
  ///
  /// - Throws: For an unknown name or a bad value.
  package mutating func override(_ document: Document) throws(DocumentError) {
    guard case .object(var members) = document.value else { return }
    if case .object(let inner)? = members["settings"] {
      for (key, value) in inner.members { members[key] = value }
      members["settings"] = nil
    }
    if case .object(let own)? = members["swerve"] { extensions = own }
    members["swerve"] = nil
    settings = members
    _ = try BatchSettings().with(
      Document(.object(settings), source: document.source),
      own: Document(.object(extensions), source: document.source, path: "$.swerve"))
  }

  package var body: DocumentValue {
    var place = DocumentObject(["uri": .string(input)])
    place["jobInputType"] = inputType.map { .string($0) }
    var properties = BatchBody.members(ofOverrides: settings)
    properties["inputData"] = .object(DocumentObject(["input": .object(place)]))
    if let output {
      properties["outputData"] = [
        "score": ["jobOutputType": "UriFolder", "uri": .string(output)]
      ]
    }
    properties["name"] = name.map { .string($0) }
    var own: [String: String] = [:]
    BatchBody.add(extensions, to: &own)
    own["swerve.glob"] = glob
    own["experimentName"] = experimentName
    if !own.isEmpty { properties["properties"] = .texts(own) }
    return ["properties": .object(properties)]
  }
}

extension BatchBody {
  /// Members of `settings` in YAML under ARM's names, as they stand.
  static func members(ofOverrides settings: DocumentObject) -> DocumentObject {
    var members = DocumentObject()
    for (arm, field) in names { members[arm] = settings[field] }
    if case .object(let retry)? = settings["retry_settings"] {
      var inner = DocumentObject()
      inner["maxRetries"] = retry["max_retries"]
      inner["timeout"] = retry["timeout"]
      members["retrySettings"] = .object(inner)
    }
    return members
  }
}
