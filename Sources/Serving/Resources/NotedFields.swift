/// The fields of Azure ML's schemas that have no meaning on one host. They are checked, kept
/// and echoed back. Source: `AZUREML.md` §1.1–§1.3, §1.8, §6.3.
enum NotedFields {
  static let endpoint: [(String, FieldShape)] = [
    ("compute", .text),
    ("identity", identity),
    ("public_network_access", .choice(["enabled", "disabled"])),
    // Members of an ARM body that nobody here knows.
    ("arm_properties", .anything),
  ]

  static let deployment: [(String, FieldShape)] = [
    ("type", .choice(["managed", "kubernetes"])),
    ("model_mount_path", .text),
    ("code_configuration", .object([("code", .text), ("scoring_script", .text)])),
    ("environment_variables", .textMap),
    ("environment", .reference(or: environment)),
    ("instance_type", .text),
    ("app_insights_enabled", .boolean),
    ("scale_settings", scaleSettings),
    ("liveness_probe", probe),
    ("readiness_probe", probe),
    ("startup_probe", probe),
    ("data_collector", dataCollector),
    ("egress_public_network_access", .choice(["enabled", "disabled"])),
    ("private_network_connection", .boolean),
    ("resources", .object([("requests", .textMap), ("limits", .textMap)])),
    ("arm_properties", .anything),
  ]

  static let batchDeployment: [(String, FieldShape)] = [
    ("code_configuration", .object([("code", .text), ("scoring_script", .text)])),
    ("environment", .reference(or: environment)),
    ("compute", .text),
    (
      "resources",
      .object([
        ("instance_count", .integer(1...100_000)), ("instance_type", .text),
        ("properties", .anything),
      ])
    ),
    ("arm_properties", .anything),
  ]

  /// Kept only, as no pipeline is run.
  static let pipelineDeployment: [(String, FieldShape)] = [
    ("component", .reference(or: .anything)), ("job_definition", .reference(or: .anything)),
    ("settings", .anything), ("compute", .text), ("arm_properties", .anything),
  ]

  private static let identity = FieldShape.object([
    ("type", .choice(["system_assigned", "user_assigned", "system_assigned,user_assigned"])),
    ("user_assigned_identities", .list(.anything)),
    ("principal_id", .text),
    ("tenant_id", .text),
  ])

  private static let scaleSettings = FieldShape.object([
    ("type", .choice(["default", "target_utilization"])),
    ("min_instances", .integer(0...100_000)),
    ("max_instances", .integer(1...100_000)),
    ("target_utilization_percentage", .integer(1...100)),
    ("polling_interval", .integer(1...86_400)),
  ])

  private static let probe = FieldShape.object([
    ("initial_delay", .integer(1...86_400)),
    ("period", .integer(1...86_400)),
    ("timeout", .integer(1...86_400)),
    ("success_threshold", .integer(1...1_000_000)),
    ("failure_threshold", .integer(1...1_000_000)),
  ])

  private static let route = FieldShape.object([
    ("path", .text), ("port", .integer(1...65_535)),
  ])

  private static let environment = FieldShape.object([
    ("$schema", .text), ("name", .text), ("version", .scalar), ("description", .text),
    ("tags", .textMap), ("properties", .textMap), ("image", .text),
    ("build", .object([("path", .text), ("dockerfile_path", .text)])),
    ("conda_file", .anything),
    ("os_type", .choice(["linux", "windows"])),
    (
      "inference_config",
      .object([
        ("liveness_route", route), ("readiness_route", route), ("scoring_route", route),
      ])
    ),
    ("datastore", .text),
  ])

  private static let dataCollector = FieldShape.object([
    (
      "collections",
      .map(
        .object([
          ("enabled", .boolean),
          ("data", .reference(or: .anything)),
          ("sampling_rate", .number(0...1)),
          ("client_id", .text),
        ]))
    ),
    ("rolling_rate", .choice(["minute", "hour", "day", "month", "year"])),
    ("sampling_rate", .number(0...1)),
    ("request_logging", .object([("capture_headers", .list(.text))])),
  ])
}
