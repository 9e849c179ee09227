internal import Documents

/// YAML's snake_case fields as ARM's camelCase members and back, for fields that we only keep.
enum FieldNames {
  /// How one field's value is written in an ARM body.
  enum Form: Sendable {
    case plain
    /// `enabled` ↔ `Enabled`, `target_utilization` ↔ `TargetUtilization`.
    case word
    /// Seconds in YAML ↔ `PT10S`.
    case seconds
    /// Keys belong to the user.
    case map
    indirect case object([Field])
    /// An object below each of the user's keys.
    indirect case mapOf([Field])
    /// A reference, or an object that travels as it is.
    case reference
  }

  struct Field: Sendable {
    var yaml: String
    var arm: String
    var form: Form
    init(_ yaml: String, _ arm: String, _ form: Form = .plain) {
      self.yaml = yaml
      self.arm = arm
      self.form = form
    }
  }

  static let endpoint: [Field] = [
    Field("compute", "compute"),
    Field("public_network_access", "publicNetworkAccess", .word),
  ]

  static let deployment: [Field] = [
    Field("type", "endpointComputeType", .word),
    Field("model_mount_path", "modelMountPath"),
    Field(
      "code_configuration", "codeConfiguration",
      .object([Field("code", "codeId"), Field("scoring_script", "scoringScript")])),
    Field("environment_variables", "environmentVariables", .map),
    Field("environment", "environmentId", .reference),
    Field("instance_type", "instanceType"),
    Field("app_insights_enabled", "appInsightsEnabled"),
    Field(
      "scale_settings", "scaleSettings",
      .object([
        Field("type", "scaleType", .word), Field("min_instances", "minInstances"),
        Field("max_instances", "maxInstances"),
        Field("target_utilization_percentage", "targetUtilizationPercentage"),
        Field("polling_interval", "pollingInterval", .seconds),
      ])),
    Field("liveness_probe", "livenessProbe", .object(probe)),
    Field("readiness_probe", "readinessProbe", .object(probe)),
    Field("startup_probe", "startupProbe", .object(probe)),
    Field(
      "data_collector", "dataCollector",
      .object([
        Field(
          "collections", "collections",
          .mapOf([
            Field("enabled", "dataCollectionMode"), Field("data", "dataId", .reference),
            Field("sampling_rate", "samplingRate"), Field("client_id", "clientId"),
          ])),
        Field("rolling_rate", "rollingRate", .word), Field("sampling_rate", "samplingRate"),
        Field(
          "request_logging", "requestLogging",
          .object([Field("capture_headers", "captureHeaders")])),
      ])),
    Field("egress_public_network_access", "egressPublicNetworkAccess", .word),
    Field("private_network_connection", "privateNetworkConnection"),
    Field(
      "resources", "containerResourceRequirements",
      .object([
        Field("requests", "containerResourceRequests", .map),
        Field("limits", "containerResourceLimits", .map),
      ])),
  ]

  static let batchDeployment: [Field] = [
    Field(
      "code_configuration", "codeConfiguration",
      .object([Field("code", "codeId"), Field("scoring_script", "scoringScript")])),
    Field("environment", "environmentId", .reference),
    Field("environment_variables", "environmentVariables", .map),
    Field("compute", "compute"),
    Field(
      "resources", "resources",
      .object([
        Field("instance_count", "instanceCount"), Field("instance_type", "instanceType"),
        Field("properties", "properties", .map),
      ])),
  ]

  private static let probe: [Field] = [
    Field("initial_delay", "initialDelay", .seconds), Field("period", "period", .seconds),
    Field("timeout", "timeout", .seconds), Field("success_threshold", "successThreshold"),
    Field("failure_threshold", "failureThreshold"),
  ]

  // MARK: Translation

  static func arm(_ object: DocumentObject, _ fields: [Field]) -> DocumentObject {
    var result = DocumentObject()
    for field in fields {
      guard let value = object[field.yaml] else { continue }
      result[field.arm] = arm(value, field)
    }
    return result
  }

  private static func arm(_ value: DocumentValue, _ field: Field) -> DocumentValue {
    switch (field.form, value) {
    case (.plain, _) where field.arm == "dataCollectionMode":
      return .string(isTrue(value) ? "Enabled" : "Disabled")
    case (.word, .string(let word)):
      return .string(
        word.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined())
    case (.seconds, .integer(let seconds)):
      return .string("PT\(seconds)S")
    case (.object(let fields), .object(let object)):
      return .object(arm(object, fields))
    case (.mapOf(let fields), .object(let object)):
      var result = DocumentObject()
      for (key, value) in object.members {
        if case .object(let inner) = value { result[key] = .object(arm(inner, fields)) }
      }
      return .object(result)
    default:
      return value
    }
  }

  /// Reads ARM members back into YAML's; nulls vanish.
  static func yaml(_ body: inout ARMBody, _ fields: [Field]) throws(DocumentError) -> DocumentObject
  {
    var result = DocumentObject()
    for field in fields {
      guard let value = body.value(field.arm) else { continue }
      result[field.yaml] = try yaml(value, field, source: body.source, path: body.path)
    }
    return result
  }

  private static func yaml(
    _ value: DocumentValue, _ field: Field, source: String, path: String
  ) throws(DocumentError) -> DocumentValue {
    let path = "\(path).\(field.arm)"
    switch (field.form, value) {
    case (.plain, .string(let mode)) where field.arm == "dataCollectionMode":
      return .string(mode.lowercased() == "enabled" ? "True" : "False")
    case (.word, .string(let word)):
      var text = ""
      for character in word {
        if character.isUppercase && !text.isEmpty { text += "_" }
        text += character.lowercased()
      }
      return .string(text)
    case (.seconds, .string(let text)):
      guard let milliseconds = ISODuration.milliseconds(text) else {
        throw .value(
          source: source, path: path, expected: "a duration like 'PT10S'",
          received: "'\(text)'")
      }
      return .integer(Int64((milliseconds + 999) / 1000))
    case (.object(let fields), .object):
      var body = try ARMBody(value, source: source, path: path)
      return .object(try yaml(&body, fields))
    case (.mapOf(let fields), .object(let object)):
      var result = DocumentObject()
      for (key, value) in object.members where value != .null {
        var body = try ARMBody(value, source: source, path: "\(path).\(key)")
        result[key] = .object(try yaml(&body, fields))
      }
      return .object(result)
    default:
      return value
    }
  }

  private static func isTrue(_ value: DocumentValue) -> Bool {
    switch value {
    case .bool(let flag): flag
    case .string(let text): text.lowercased() == "true"
    default: false
    }
  }
}
