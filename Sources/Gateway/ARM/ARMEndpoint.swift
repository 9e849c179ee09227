package import Documents
package import Serving

extension ARM {
  /// The body of `PUT …/onlineEndpoints/{name}`.
  package static func body(of specification: EndpointSpecification) -> DocumentValue {
    var properties = DocumentObject()
    properties["authMode"] =
      switch specification.authMode {
      case .key: "Key"
      case .amlToken: "AMLToken"
      case .aadToken: "AADToken"
      }
    if let description = specification.description {
      properties["description"] = .string(description)
    }
    var entries = specification.properties
    if specification.isOpen { entries[prefix + "auth"] = "none" }
    properties["properties"] = .texts(entries)
    properties["traffic"] = .percents(specification.traffic)
    properties["mirrorTraffic"] = .percents(specification.mirrorTraffic)
    var body: DocumentObject = ["location": "local", "tags": .texts(specification.tags)]
    for (name, value) in specification.noted.members {
      if name == "identity" { body["identity"] = value } else { properties[camelCase(name)] = value }
    }
    body["properties"] = .object(properties)
    return .object(body)
  }

  package static func endpoint(
    name: String, body: Document
  ) throws(DocumentError) -> EndpointSpecification {
    let whole = Members(body.value)
    let properties = Members(whole["properties"])
    let (own, theirs) = split(properties["properties"])
    var yaml = DocumentObject()
    yaml["name"] = .string(name)
    yaml["description"] = properties["description"]
    yaml["tags"] = whole["tags"]
    yaml["properties"] = .object(theirs)
    yaml["auth_mode"] = properties["authMode"]
    yaml["traffic"] = properties["traffic"]
    yaml["mirror_traffic"] = properties["mirrorTraffic"]
    for field in ["compute", "public_network_access"] {
      yaml[field] = properties[camelCase(field)]
    }
    yaml["identity"] = whole["identity"]
    if let auth = own["auth"] { yaml["swerve"] = ["auth": .string(auth)] }
    return try EndpointSpecification(yaml: Document(.object(yaml), source: body.source))
  }
}
