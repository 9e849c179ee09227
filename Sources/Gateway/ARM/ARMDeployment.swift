package import Documents
package import Serving

extension ARM {
  /// Noted fields that Azure's body has a member for, with the member's name.
  private static let namedFields = [
    ("model_mount_path", "modelMountPath"), ("environment_variables", "environmentVariables"),
    ("instance_type", "instanceType"), ("app_insights_enabled", "appInsightsEnabled"),
    ("egress_public_network_access", "egressPublicNetworkAccess"),
    ("private_network_connection", "privateNetworkConnection"),
  ]

  private static let probeFields = ["liveness_probe", "readiness_probe", "startup_probe"]

  /// The body of `PUT …/deployments/{name}`.
  package static func body(of specification: DeploymentSpecification) -> DocumentValue {
    // The YAML form holds every field once; what Azure has a member for is moved there.
    guard case .object(var yaml) = specification.yaml else { return .null }
    var entries = specification.properties
    var properties = DocumentObject()
    for field in ["name", "endpoint_name", "tags", "properties"] { yaml[field] = nil }
    properties["endpointComputeType"] =
      yaml["type"] == "kubernetes" ? "Kubernetes" : "Managed"
    yaml["type"] = nil
    properties["description"] = yaml["description"]
    yaml["description"] = nil
    if case .string? = yaml["model"] {
      properties["model"] = yaml["model"]
      yaml["model"] = nil
    }
    yaml["instance_count"] = nil
    for (field, member) in namedFields {
      properties[member] = yaml[field]
      yaml[field] = nil
    }
    if case .string? = yaml["environment"] {
      properties["environmentId"] = yaml["environment"]
      yaml["environment"] = nil
    }
    if case .object(let code)? = yaml["code_configuration"] {
      var member = DocumentObject()
      member["codeId"] = code["code"]
      member["scoringScript"] = code["scoring_script"]
      properties["codeConfiguration"] = .object(member)
      yaml["code_configuration"] = nil
    }
    for field in probeFields {
      properties[camelCase(field)] = yaml[field].map(probeBody)
      yaml[field] = nil
    }
    properties["requestSettings"] = requestSettings(of: specification)
    yaml["request_settings"] = nil
    properties["scaleSettings"] = scaleBody(yaml["scale_settings"])
    yaml["scale_settings"] = nil
    // The rest has no member there.
    for (field, value) in yaml.members { entries[prefix + field] = json(value) }
    properties["properties"] = .texts(entries)
    return [
      "location": "local", "tags": .texts(specification.tags),
      "sku": ["name": "Default", "capacity": .integer(Int64(specification.instanceCount))],
      "properties": .object(properties),
    ]
  }

  package static func deployment(
    name: String, endpoint: String, body: Document
  ) throws(DocumentError) -> DeploymentSpecification {
    let whole = Members(body.value)
    let properties = Members(whole["properties"])
    let (own, theirs) = split(properties["properties"])
    var yaml = DocumentObject()
    yaml["name"] = .string(name)
    yaml["endpoint_name"] = .string(endpoint)
    yaml["description"] = properties["description"]
    yaml["tags"] = whole["tags"]
    yaml["properties"] = .object(theirs)
    if case .string(let type)? = properties["endpointComputeType"],
      type.lowercased() == "kubernetes"
    {
      yaml["type"] = "kubernetes"
    }
    yaml["model"] = properties["model"]
    yaml["instance_count"] = Members(whole["sku"])["capacity"]
    for (field, member) in namedFields { yaml[field] = properties[member] }
    yaml["environment"] = properties["environmentId"]
    if let code = properties["codeConfiguration"] {
      let members = Members(code)
      var object = DocumentObject()
      object["code"] = members["codeId"]
      object["scoring_script"] = members["scoringScript"]
      yaml["code_configuration"] = .object(object)
    }
    for field in probeFields {
      if let probe = properties[camelCase(field)] {
        yaml[field] = try probeYAML(probe, body.source, camelCase(field))
      }
    }
    if let settings = properties["requestSettings"] {
      yaml["request_settings"] = try requestSettingsYAML(settings, body.source)
    }
    yaml["scale_settings"] = try scaleYAML(properties["scaleSettings"], body.source)
    for (field, text) in own.sorted(by: { $0.key < $1.key }) {
      yaml[field] = try value(ofJSON: text, source: body.source, member: field)
    }
    return try DeploymentSpecification(
      yaml: Document(.object(yaml), source: body.source), folder: "/")
  }

  // MARK: Members with durations

  private static func requestSettings(of specification: DeploymentSpecification) -> DocumentValue {
    var settings = DocumentObject()
    settings["requestTimeout"] = .string(
      ISODuration.text(milliseconds: specification.requestTimeoutMs))
    if let limit = specification.maxConcurrentRequestsPerInstance {
      settings["maxConcurrentRequestsPerInstance"] = .integer(Int64(limit))
    }
    if let wait = specification.maxQueueWaitMs {
      settings["maxQueueWait"] = .string(ISODuration.text(milliseconds: wait))
    }
    return .object(settings)
  }

  private static func requestSettingsYAML(
    _ value: DocumentValue, _ source: String
  ) throws(DocumentError) -> DocumentValue {
    let members = Members(value)
    let place = "$.properties.requestSettings"
    var yaml = DocumentObject()
    yaml["request_timeout_ms"] = try milliseconds(
      members["requestTimeout"], source, place + ".requestTimeout")
    yaml["max_concurrent_requests_per_instance"] = members["maxConcurrentRequestsPerInstance"]
    yaml["max_queue_wait_ms"] = try milliseconds(
      members["maxQueueWait"], source, place + ".maxQueueWait")
    return .object(yaml)
  }

  private static func milliseconds(
    _ value: DocumentValue?, _ source: String, _ path: String
  ) throws(DocumentError) -> DocumentValue? {
    guard let value else { return nil }
    guard case .string(let text) = value, let number = ISODuration.milliseconds(text) else {
      throw .value(
        source: source, path: path, expected: "a duration such as PT5S", received: value.kindName)
    }
    return .integer(Int64(number))
  }

  private static func seconds(
    _ value: DocumentValue?, _ source: String, _ path: String
  ) throws(DocumentError) -> DocumentValue? {
    guard case .integer(let number)? = try milliseconds(value, source, path) else { return nil }
    return .integer(number / 1000)
  }

  private static let probeDurations = ["initial_delay", "period", "timeout"]

  private static func probeBody(_ value: DocumentValue) -> DocumentValue {
    guard case .object(let probe) = value else { return value }
    var body = DocumentObject()
    for (name, value) in probe.members {
      if probeDurations.contains(name), case .integer(let seconds) = value {
        body[camelCase(name)] = .string("PT\(seconds)S")
      } else {
        body[camelCase(name)] = value
      }
    }
    return .object(body)
  }

  private static func probeYAML(
    _ value: DocumentValue, _ source: String, _ member: String
  ) throws(DocumentError) -> DocumentValue {
    let members = Members(value)
    var yaml = DocumentObject()
    for name in probeDurations {
      yaml[name] = try seconds(
        members[camelCase(name)], source, "$.properties.\(member).\(camelCase(name))")
    }
    for name in ["success_threshold", "failure_threshold"] {
      yaml[name] = members[camelCase(name)]
    }
    return .object(yaml)
  }

  /// Azure's clients fail on an absent `scaleSettings`.
  private static func scaleBody(_ value: DocumentValue?) -> DocumentValue {
    guard case .object(let scale)? = value else { return ["scaleType": "Default"] }
    var body = DocumentObject()
    for (name, value) in scale.members {
      switch (name, value) {
      case ("type", .string(let type)):
        body["scaleType"] = type == "target_utilization" ? "TargetUtilization" : "Default"
      case ("polling_interval", .integer(let seconds)):
        body["pollingInterval"] = .string("PT\(seconds)S")
      default:
        body[camelCase(name)] = value
      }
    }
    return .object(body)
  }

  private static func scaleYAML(
    _ value: DocumentValue?, _ source: String
  ) throws(DocumentError) -> DocumentValue? {
    guard let value else { return nil }
    let members = Members(value)
    var yaml = DocumentObject()
    if case .string(let type)? = members["scaleType"] {
      yaml["type"] = type.lowercased() == "targetutilization" ? "target_utilization" : "default"
    }
    for name in ["min_instances", "max_instances", "target_utilization_percentage"] {
      yaml[name] = members[camelCase(name)]
    }
    yaml["polling_interval"] = try seconds(
      members["pollingInterval"], source, "$.properties.scaleSettings.pollingInterval")
    // What Azure says when the YAML said nothing.
    return yaml == ["type": "default"] ? nil : .object(yaml)
  }
}
