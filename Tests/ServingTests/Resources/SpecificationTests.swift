import Documents
import Registry
import Testing

@testable import Serving

@Suite struct SpecificationTests {
  private func endpoint(_ text: String) throws -> EndpointSpecification {
    try EndpointSpecification(
      yaml: Document(try YAMLReader.read(text, source: "e.yml"), source: "e.yml"))
  }
  private func deployment(_ text: String) throws -> DeploymentSpecification {
    try DeploymentSpecification(
      yaml: Document(try YAMLReader.read(text, source: "d.yml"), source: "d.yml"), folder: "/f")
  }

  @Test(arguments: [
    ("name: ab", "$.name"), ("name: my_endpoint", "$.name"), ("name: 1abc", "$.name"),
    ("name: abc-", "$.name"), ("name: abc\nauth_mode: open", "'key' or 'aml_token'"),
    ("name: abc\ntraffic: {blue: 101}", "$.traffic.blue"),
    ("name: abc\ntraffic: {blue: 1.5}", "$.traffic.blue"),
    ("name: abc\ntraffic: {blue: 60, green: 50}", "sums to 110"),
    ("name: abc\nmirror_traffic: {blue: 51}", "from 0 to 50"),
    ("name: abc\nmirror_traffic: {blue: 5, green: 5}", "one deployment"),
    ("name: abc\ntraffic: {blue: 100}\nmirror_traffic: {blue: 5}", "without live traffic"),
    ("name: abc\ntrafic: {blue: 100}", "did you mean 'traffic'"),
    ("name: abc\nswerve: {aut: none}", "did you mean 'auth'"),
    ("name: abc\npublic_network_access: maybe", "'enabled' or 'disabled'"),
    ("auth_mode: key", "$.name is missing"),
  ])
  func `a wrong endpoint is refused with field and reason`(text: String, words: String) throws {
    let error = try #require(throws: DocumentError.self) { try endpoint(text) }
    #expect(error.description.contains(words), "\(error)")
  }

  @Test(arguments: [
    ("instance_count: 0", "$.instance_count"),
    ("request_settings: {request_timeout_ms: 180001}", "from 1 to 180000"),
    ("request_settings: {request_timeout: 5}", "did you mean 'request_timeout_ms'"),
    ("liveness_probe: {period: 0}", "$.liveness_probe.period"),
    ("swerve: {execution: fast}", "'auto' or 'inline' or 'queued'"),
    ("swerve: {response: {output: [a]}}", "did you mean 'outputs'"),
    ("swerve: {batching: {max_batch_rows: 0}}", "from 1 to 65536"),
    ("swerve: {batching: {max_batch_size: 8}}", "did you mean 'max_batch_rows'"),
    ("swerve: {batching: {max_queue_delay_ms: -1}}", "from 0 to 1000"),
    (
      "request_settings: {request_timeout_ms: 5}\nswerve: {batching: {max_queue_delay_ms: 5}}",
      "less than request_timeout_ms (5)"
    ),
    ("swerve: {execution: inline, batching: {max_batch_rows: 8}}", "no batching beside"),
    ("environment_variables: {a: [1]}", "$.environment_variables.a"),
    ("model: churn", "azureml:NAME:VERSION"), ("model: {name: m}", "$.model.path"),
    ("model: {path: m, type: pickle}", "$.model.type"),
    ("instance_typ: x", "did you mean 'instance_type'"),
  ])
  func `a wrong deployment is refused with field and reason`(text: String, words: String) throws {
    let error = try #require(throws: DocumentError.self) {
      try deployment("name: blue\nendpoint_name: churn\n" + text)
    }
    #expect(error.description.contains(words), "\(error)")
  }

  @Test func `a deployment comes back from its own YAML`() throws {
    let specification = try deployment(
      """
      name: Blue
      endpoint_name: churn
      type: kubernetes
      description: a
      tags: {a: 1}
      model: {path: ../m/model.json, name: churn, version: 3}
      instance_count: 2
      request_settings: {request_timeout_ms: 250000, max_concurrent_requests_per_instance: 4}
      scale_settings: {type: default}
      swerve:
        execution: queued
        batching: {max_batch_rows: 16, max_queue_delay_ms: 2}
        response: {outputs: [margin]}
      """)
    #expect(specification.requestTimeoutMs == 250_000)
    #expect(specification.batching?.maxBatchRows == 16)
    #expect(specification.batching?.maxQueueDelayMs == 2)
    guard case .inline(let model)? = specification.model else {
      Issue.record()
      return
    }
    #expect(model.path == "/m/model.json")
    let again = Document(specification.yaml, source: "again")
    #expect(try DeploymentSpecification(yaml: again, folder: "/") == specification)
  }

  @Test(arguments: [
    ("azureml:churn:3", ModelReference(name: "churn", revision: .version("3"))),
    ("azureml:churn@latest", ModelReference(name: "churn", revision: .latest)),
    (
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
        + "/models/churn/versions/3",
      ModelReference(name: "churn", revision: .version("3"))
    ),
  ])
  func `a reference names a model`(text: String, reference: ModelReference) {
    #expect(ModelReferenceText.parse(text) == .reference(reference))
  }

  @Test(arguments: ["azureml:../a:1", "azureml:a:..", "churn", "azureml:churn:", "azureml::1"])
  func `a path is no reference`(text: String) {
    #expect(ModelReferenceText.parse(text) == .malformed)
  }

  @Test func `a registry's model is refused with a reason`() throws {
    let specification = try deployment(
      "name: blue\nendpoint_name: churn\nmodel: azureml://registries/r/models/m/versions/1")
    #expect(specification.cannotRunReason?.contains("another registry") == true)
  }
}
