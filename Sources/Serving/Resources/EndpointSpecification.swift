package import Documents

/// An online endpoint as its owner wrote it. Source: `AZUREML.md` §1.1.
package struct EndpointSpecification: Sendable, Equatable {
  package enum AuthMode: String, Sendable, CaseIterable {
    case key
    case amlToken = "aml_token"
    case aadToken = "aad_token"
  }

  /// As written; compared without case.
  package var name: String
  package var description: String?
  package var tags: [String: String] = [:]
  package var properties: [String: String] = [:]
  package var authMode = AuthMode.key
  /// Percent of requests by deployment, names in lower case. Sums to 0 or 100.
  package var traffic: [String: Int] = [:]
  /// Percent of requests copied to the one deployment named; 0...50.
  package var mirrorTraffic: [String: Int] = [:]
  /// `swerve: {auth: none}`: answers without a key. Only on loopback or behind a proxy.
  package var isOpen = false
  /// `swerve: {errors: hidden}`: callers get an error's code and request id, the log gets the rest.
  package var hidesErrors = false
  /// Fields with no meaning on one host (`identity`, `compute`, `public_network_access`, …), in
  /// YAML's names: kept, echoed back, reported once.
  package var noted = DocumentObject()

  package init(name: String) { self.name = name }

  /// Reads the YAML document. Unknown fields and bad values are errors with their path.
  package init(yaml document: Document) throws(DocumentError) {
    var fields = try FieldReader(document)
    name = try fields.createdName("name")
    description = try fields.text("description")
    tags = try fields.textMap("tags")
    properties = try fields.textMap("properties")
    if let mode = try fields.choice("auth_mode", of: AuthMode.allCases.map(\.rawValue)) {
      authMode = AuthMode(rawValue: mode) ?? .key
    }
    traffic = try fields.percents("traffic", max: 100)
    mirrorTraffic = try fields.percents("mirror_traffic", max: 50)
    noted = try fields.noted(NotedFields.endpoint)
    if var own = try fields.fields("swerve") {
      isOpen = try own.choice("auth", of: ["key", "none"]) == "none"
      hidesErrors = try own.choice("errors", of: ["shown", "hidden"]) == "hidden"
      try own.finish()
    }
    fields.skip(
      "$schema", "id", "kind", "location", "provisioning_state", "scoring_uri", "openapi_uri")
    try fields.finish()
    if let fault = TrafficRules.fault(traffic: traffic, mirrorTraffic: mirrorTraffic) {
      throw .value(
        source: document.source, path: "\(document.path).\(fault.field)",
        expected: fault.expected, received: fault.received)
    }
  }

  /// The YAML schema's form, as `az ml online-endpoint show` prints it (without the read-only
  /// members).
  package var yaml: DocumentValue {
    var object = DocumentObject()
    object["name"] = .string(name)
    if let description { object["description"] = .string(description) }
    object["auth_mode"] = .string(authMode.rawValue)
    object["traffic"] = .percents(traffic)
    object["mirror_traffic"] = .percents(mirrorTraffic)
    object["tags"] = .texts(tags)
    object["properties"] = .texts(properties)
    for (key, value) in noted.members { object[key] = value }
    var own = DocumentObject()
    if isOpen { own["auth"] = "none" }
    if hidesErrors { own["errors"] = "hidden" }
    if !own.isEmpty { object["swerve"] = .object(own) }
    return .object(object)
  }
}

extension FieldReader {
  /// A map from deployment to percent; names come back in lower case.
  mutating func percents(_ name: String, max: Int) throws(DocumentError) -> [String: Int] {
    guard let value = value(name) else { return [:] }
    guard case .object(let members) = value else {
      throw fault(name, expected: "a map from deployment to percent", value)
    }
    var percents: [String: Int] = [:]
    for (deployment, value) in members.members {
      guard let percent = Self.integer(value), (0...max).contains(percent) else {
        throw .value(
          source: source, path: "\(place(of: name)).\(deployment)",
          expected: "an integer from 0 to \(max)", received: Self.description(of: value))
      }
      guard percents.updateValue(percent, forKey: deployment.lowercased()) == nil else {
        throw .value(
          source: source, path: "\(place(of: name)).\(deployment)",
          expected: "each deployment once (names are compared without case)",
          received: "there twice")
      }
    }
    return percents
  }
}

extension DocumentValue {
  /// A map of strings, sorted by key.
  package static func texts(_ map: [String: String]) -> DocumentValue {
    var object = DocumentObject()
    for (key, value) in map.sorted(by: { $0.key < $1.key }) { object[key] = .string(value) }
    return .object(object)
  }

  package static func percents(_ map: [String: Int]) -> DocumentValue {
    var object = DocumentObject()
    for (key, value) in map.sorted(by: { $0.key < $1.key }) {
      object[key] = .integer(Int64(value))
    }
    return .object(object)
  }
}
