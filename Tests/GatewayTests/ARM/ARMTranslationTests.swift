import Documents
import Registry
import Testing

@testable import Gateway
@testable import Serving

@Suite struct ARMTranslationTests {
  private func deployment(_ text: String) throws -> DeploymentSpecification {
    try DeploymentSpecification(
      yaml: Document(try YAMLReader.read(text, source: "d.yml"), source: "d.yml"), folder: "/f")
  }

  @Test(arguments: [
    "model: azureml:churn:3",
    "model: {path: a.json, name: m, version: 2, tags: {a: b}}",
    "type: kubernetes\nmodel: azureml:churn@latest\nscale_settings: {type: target_utilization, polling_interval: 10}",
    "liveness_probe: {initial_delay: 5, timeout: 2}\nmodel: azureml:churn:3",
    "model: azureml:churn:3\nrequest_settings: {request_timeout_ms: 1500, max_queue_wait_ms: 50}",
    "model: azureml:churn:3\nswerve: {execution: inline, response: {outputs: [a, b]}}",
    "model: azureml:churn:3\nswerve: {batching: {max_batch_rows: 16, max_queue_delay_ms: 2}}",
    "model: azureml:churn:3\nenvironment: azureml:e:1\ncode_configuration: {code: src, scoring_script: score.py}",
    "model: azureml:churn:3\ndata_collector: {collections: {model_inputs: {enabled: 'True'}}, rolling_rate: hour}",
    "model: azureml:churn:3\nresources: {requests: {cpu: '0.1'}}\ninstance_count: 3\ntags: {a: b}",
  ])
  func `a deployment goes through an ARM body unharmed`(text: String) throws {
    let specification = try deployment("name: blue\nendpoint_name: churn\n" + text)
    let body = ARM.body(of: specification)
    var writer = JSONWriter()
    writer.document(body)
    let read = try JSONReader.read(String(decoding: writer.bytes, as: UTF8.self), source: "body")
    let again = try ARM.deployment(
      name: "blue", endpoint: "churn", body: Document(read, source: "body"))
    #expect(again == specification)
  }

  @Test func `an endpoint goes through an ARM body unharmed`() throws {
    let text = """
      name: churn
      auth_mode: aml_token
      description: a
      tags: {a: b}
      traffic: {blue: 90, green: 10}
      mirror_traffic: {red: 5}
      compute: azureml:k8s
      public_network_access: disabled
      identity: {type: user_assigned, user_assigned_identities: [{resource_id: /x}]}
      swerve: {auth: none}
      """
    let specification = try EndpointSpecification(
      yaml: Document(try YAMLReader.read(text, source: "e.yml"), source: "e.yml"))
    let again = try ARM.endpoint(
      name: "churn", body: Document(ARM.body(of: specification), source: "body"))
    #expect(again == specification)
  }

  @Test func `the SDK's own body is understood, in any letter case`() throws {
    let text = """
      {"location":"local","Tags":{},"sku":{"name":"Default","capacity":"2"},
       "Properties":{"endpointComputeType":"Managed",
        "MODEL":"/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/models/churn/versions/3",
        "modelMountPath":null,"environmentVariables":{},"instanceType":"Standard_DS3_v2",
        "appInsightsEnabled":false,"scaleSettings":{"scaleType":"Default"},
        "requestSettings":{"requestTimeout":"PT5S","maxConcurrentRequestsPerInstance":1,"maxQueueWait":"PT0.5S"},
        "livenessProbe":{"initialDelay":"PT10S","period":"PT10S","timeout":"PT2S","failureThreshold":30,"successThreshold":1},
        "somethingNew":{"a":1},"egressPublicNetworkAccess":"Enabled","properties":{}}}
      """
    let specification = try ARM.deployment(
      name: "blue", endpoint: "churn",
      body: Document(try JSONReader.read(text, source: "body"), source: "body"))
    #expect(specification.instanceCount == 2)
    #expect(specification.maxQueueWaitMs == 500)
    #expect(
      specification.model == .registered(ModelReference(name: "churn", revision: .version("3"))))
    guard case .object(let body) = ARM.body(of: specification),
      case .object(let properties)? = body["properties"]
    else {
      Issue.record("no properties")
      return
    }
    #expect(properties["somethingNew"] == ["a": 1])
  }

  @Test(arguments: [("PT5S", 5000), ("PT0.5S", 500), ("PT1M30S", 90_000), ("P1D", 86_400_000)])
  func `a duration is read`(text: String, milliseconds: Int) {
    #expect(ISODuration.milliseconds(text) == milliseconds)
  }

  @Test(arguments: ["", "P", "5S", "PT", "PT5", "PTS", "PT1H5", "PT1e400S", "PT99999999999999S"])
  func `no duration is refused`(text: String) {
    #expect(ISODuration.milliseconds(text) == nil)
  }

  @Test func `paths are read without case`() {
    let workspace =
      "subscriptions/s/resourcegroups/g/PROVIDERS/microsoft.machinelearningservices/workspaces/w"
    func route(_ rest: String) -> ARMRoute? {
      ARMRoute.parse((workspace + rest).split(separator: "/").map { String($0) })?.route
    }
    #expect(route("") == .workspace)
    #expect(
      route("/onlineendpoints/Churn/LISTKEYS") == .endpointAction("Churn", action: "listkeys"))
    #expect(
      route("/onlineEndpoints/churn/deployments/blue") == .deployment("blue", endpoint: "churn"))
    #expect(
      route("/models/m/versions/1/package/a/b") == .packageFile("a/b", version: "1", model: "m"))
    #expect(route("/swerve/status") == .status)
    #expect(route("/datastores/x") == nil)
    #expect(ARMRoute.parse(["operations", "1", "result"])?.route == .operationResult("1"))
  }

  @Test func `a patch replaces maps and keeps the rest`() {
    let patched = MergePatch.document(
      Document(["properties": ["traffic": ["green": 100]], "tags": ["b": "2"]], source: "patch"),
      onto: ["tags": ["a": "1"], "properties": ["authMode": "Key", "traffic": ["blue": 100]]])
    #expect(
      patched.value == [
        "tags": ["b": "2"], "properties": ["authMode": "Key", "traffic": ["green": 100]],
      ])
  }
}
