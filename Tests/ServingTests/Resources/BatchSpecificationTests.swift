import Documents
import Registry
import Testing

@testable import Serving

@Suite struct BatchSpecificationTests {
  private static func deployment(_ text: String) throws -> BatchDeploymentSpecification {
    let value = try YAMLReader.read(text, source: "d.yml")
    let specification = try BatchDeploymentSpecification(
      yaml: Document(value, source: "d.yml"), folder: "/f")
    let again = Document(specification.yaml, source: "again")
    #expect(try BatchDeploymentSpecification(yaml: again, folder: "/") == specification)
    return specification
  }

  @Test func `every setting is read, in the form of type model`() throws {
    let specification = try Self.deployment(
      """
      $schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
      name: lgbm
      endpoint_name: churn-batch
      type: model
      model: azureml:churn:3
      compute: azureml:cpu
      resources: {instance_count: 2, instance_type: Standard_DS3_v2}
      settings:
        mini_batch_size: 7
        max_concurrency_per_instance: 4
        error_threshold: 12
        retry_settings: {max_retries: 5, timeout: 90}
        output_action: summary_only
        output_file_name: out.jsonl
        logging_level: debug
        environment_variables: {A: 1}
      swerve:
        mini_batch_rows: 1000
        output: {columns: [id, day], format: jsonl, per_file: true, header: false}
      """)
    var expected = BatchSettings()
    expected.miniBatchSize = 7
    expected.maxConcurrencyPerInstance = 4
    expected.errorThreshold = 12
    expected.maxRetries = 5
    expected.timeoutSeconds = 90
    expected.outputAction = .summaryOnly
    expected.outputFileName = "out.jsonl"
    expected.loggingLevel = "debug"
    expected.miniBatchRows = 1000
    expected.carriedColumns = ["id", "day"]
    expected.format = .jsonl
    expected.isPerFile = true
    expected.hasHeader = false
    #expect(specification.settings == expected)
    #expect(
      specification.model
        == .registered(ModelReference(name: "churn", revision: .version("3"))))
    #expect(specification.cannotRunReason == nil)
    #expect(
      ResourceNotices.of(specification) == [
        "batch deployment churn-batch/lgbm: compute, resources, environment_variables are kept and "
          + "have no effect on this gateway"
      ])
  }

  @Test func `the legacy form has its settings at the root`() throws {
    let specification = try Self.deployment(
      """
      $schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json
      name: lgbm
      endpoint_name: churn-batch
      model: {path: model.txt}
      mini_batch_size: 3
      output_action: AppendRow
      error_threshold: "5"
      environment_variables: {A: b}
      """)
    #expect(specification.settings.miniBatchSize == 3)
    #expect(specification.settings.errorThreshold == 5)
    #expect(specification.noted["environment_variables"] == ["A": "b"])
    guard case .inline(let registration)? = specification.model else {
      Issue.record("\(specification.model as Any)")
      return
    }
    #expect(registration.path == "/f/model.txt")
  }

  @Test(arguments: [
    (
      "settings: {mini_batch_sise: 3}", "$.settings.mini_batch_sise; did you mean 'mini_batch_size'"
    ),
    ("mini_batch_size: 3", "unknown field $.mini_batch_size"),
    ("settings: {mini_batch_size: 0}", "is 0; expected an integer from 1"),
    ("settings: {error_threshold: -2}", "is -2; expected an integer from -1"),
    ("settings: {output_action: append}", "'append_row' or 'summary_only'"),
    ("settings: {output_file_name: ../x.csv}", "a file's name without '/'"),
    ("settings: {output_file_name: _SUCCESS.json}", "that is not errors.jsonl"),
    ("settings: {retry_settings: {timeout: soon}}", "is 'soon'; expected an integer"),
    ("swerve: {mini_batch_rows: 99999999}", "from 1 to 16777216"),
    ("swerve: {output: {format: parquet}}", "'csv' or 'jsonl'"),
    ("swerve: {output: {header: maybe}}", "true or false"),
    ("swerve: {outputs: {}}", "$.swerve.outputs; did you mean 'output'"),
    ("resources: {instance_counts: 1}", "did you mean 'instance_count'"),
    ("type: model2", "'model' or 'pipeline'"),
  ])
  func `a bad member is named`(member: String, words: String) throws {
    let error = try #require(throws: DocumentError.self) {
      try Self.deployment(
        """
        name: lgbm
        endpoint_name: churn-batch
        \(member.hasPrefix("type") ? "" : "type: model")
        model: azureml:churn:3
        \(member)
        """)
    }
    #expect(error.description.contains(words), "\(error)")
    #expect(error.description.hasPrefix("d.yml"))
  }

  @Test func `scripts and pipelines are refused in words`() throws {
    let script = try Self.deployment(
      """
      name: lgbm
      endpoint_name: churn-batch
      type: model
      model: azureml:churn:3
      code_configuration: {code: src, scoring_script: driver.py}
      """)
    #expect(script.cannotRunReason?.contains("scoring script 'driver.py'") == true)
    let pipeline = try Self.deployment(
      """
      name: lgbm
      endpoint_name: churn-batch
      type: pipeline
      component: azureml:hello@latest
      settings: {default_compute: c, anything: 1}
      """)
    #expect(pipeline.cannotRunReason?.contains("type: pipeline") == true)
    let none = try Self.deployment("name: lgbm\nendpoint_name: churn-batch\ntype: model")
    #expect(none.cannotRunReason == "batch deployment 'lgbm' names no model")
  }

  @Test func `a batch endpoint keeps what it does not use`() throws {
    let value = try YAMLReader.read(
      """
      $schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json
      name: churn-batch
      description: d
      auth_mode: aad_token
      tags: {a: 1}
      defaults: {deployment_name: LGBM}
      identity: {type: system_assigned}
      """, source: "e.yml")
    let specification = try BatchEndpointSpecification(yaml: Document(value, source: "e.yml"))
    #expect(specification.defaultDeployment == "lgbm")
    #expect(
      try BatchEndpointSpecification(yaml: Document(specification.yaml, source: "again"))
        == specification)
    #expect(
      ResourceNotices.of(specification) == [
        "batch endpoint churn-batch: identity is kept and has no effect on this gateway",
        "batch endpoint churn-batch: auth_mode aad_token is served with keys: there are no tokens "
          + "yet",
      ])
    let bad = try #require(throws: DocumentError.self) {
      _ = try BatchEndpointSpecification(
        yaml: Document(
          ["name": "churn-batch", "default": ["deployment_name": "x"]], source: "e.yml"))
    }
    #expect(bad.description == "e.yml: unknown field $.default; did you mean 'defaults'?")
  }

  @Test func `a job's overrides change only what they name`() throws {
    var settings = BatchSettings()
    settings.outputFileName = "a.csv"
    settings.isPerFile = true
    let changed = try settings.with(
      Document(["mini_batch_size": "4"], source: "r"),
      own: Document(["output": ["per_file": "false"]], source: "r"))
    #expect(changed.miniBatchSize == 4)
    #expect(changed.outputFileName == "a.csv")
    #expect(!changed.isPerFile)
    #expect(throws: DocumentError.self) {
      _ = try settings.with(
        Document(["output_file": "x"], source: "r"), own: Document([:], source: "r"))
    }
  }
}
