import Documents
import Foundation
import Registry
import Store
import Synchronization
import Testing

@testable import Serving

@Suite struct BatchControlTests {
  @Test func `a batch endpoint and its deployment outlive a restart, with their keys`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([
      try bench.batchEndpoint(defaultDeployment: "lgbm"), bench.batchDeployment("lgbm"),
    ])
    let keys = try bench.control.keys(of: "churn-batch", .batch)
    #expect(keys.primary.hasPrefix("swk_") && keys.primary != keys.secondary)
    let renewed = try bench.control.regenerateKey(
      .primary, of: "Churn-Batch", .batch, value: nil, by: bench.actor)
    #expect(renewed.primary != keys.primary && renewed.secondary == keys.secondary)
    let before = bench.control.snapshot.catalog
    try bench.restart()
    #expect(bench.control.snapshot.catalog == before)
    #expect(try bench.control.keys(of: "churn-batch", .batch) == renewed)
    let found = try bench.control.batchDeployment(
      named: nil, of: "CHURN-batch", origin: "nobody")
    #expect(found.specification.name == "lgbm")
    #expect(found.model?.hasSuffix(":1") == true)
    #expect(found.provisioningState == "Succeeded")
  }

  @Test func `online and batch documents of one folder are applied together or not at all`() throws
  {
    let bench = try ControlBench()
    let online = [bench.endpoint(traffic: "blue: 100"), try bench.deployment("blue", answer: "1")]
    let failure = try #require(throws: ControlError.self) {
      try bench.apply(
        online + [bench.batchEndpoint(), try bench.batchDeployment("lgbm", model: "broken")])
    }
    #expect(failure.description.contains("the batch model is broken"))
    #expect(try bench.control.endpoints().isEmpty)
    #expect(bench.control.batchEndpoints().isEmpty)

    let report = try bench.apply(
      online + [bench.batchEndpoint(), try bench.batchDeployment("lgbm")])
    #expect(
      report.changes.filter { $0.action == .create }.map(\.resource).sorted() == [
        "batch deployment churn-batch/lgbm", "batch endpoint churn-batch", "deployment churn/blue",
        "endpoint churn",
      ])
    #expect(report.notices.isEmpty)
    let again = try bench.apply(
      online + [bench.batchEndpoint(), try bench.batchDeployment("lgbm")])
    #expect(again.changes.allSatisfy { $0.action == .unchanged })

    let pruned = try bench.apply(online, prune: true)
    #expect(
      pruned.changes.filter { $0.action == .delete }.map(\.resource) == [
        "batch deployment churn-batch/lgbm", "batch endpoint churn-batch",
      ])
    #expect(bench.control.batchEndpoints().isEmpty)
    #expect(try bench.control.endpoints().count == 1)
  }

  @Test func `at start a rotten batch deployment is a failed one, and tried again`() throws {
    let bench = try ControlBench()
    let documents = [
      try bench.batchEndpoint(defaultDeployment: "lgbm"),
      try bench.batchDeployment("lgbm", model: "broken"), try bench.batchDeployment("good"),
    ]
    let report = try bench.apply(documents, unit: .endpoint)
    #expect(report.changes.contains { $0.action == .failed })
    let rotten = try bench.control.batchDeployment("lgbm", of: "churn-batch")
    #expect(rotten.provisioningState == "Failed")
    #expect(
      try bench.control.batchDeployment("good", of: "churn-batch").provisioningState
        == "Succeeded")
    let error = try #require(throws: ControlError.self) {
      try bench.control.batchDeployment(named: nil, of: "churn-batch", origin: "nobody")
    }
    #expect(error.description == "the batch model is broken")
    _ = try bench.apply(
      [documents[0], try bench.batchDeployment("lgbm"), documents[2]], unit: .endpoint)
    #expect(
      try bench.control.batchDeployment("lgbm", of: "churn-batch").provisioningState
        == "Succeeded")
  }

  @Test func `what cannot be is refused by its name`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([try bench.batchEndpoint(), try bench.batchDeployment("lgbm")])
    var endpoint = try bench.control.batchEndpoint("churn-batch").specification
    endpoint.defaultDeployment = "other"
    let fault = try #require(throws: ControlError.self) {
      try bench.control.putBatchEndpoint(endpoint, by: bench.actor)
    }
    #expect(
      fault.description
        == "defaults.deployment_name: the endpoint has no deployment 'other'; deployments: lgbm")
    let named = try #require(throws: ControlError.self) {
      try bench.control.batchDeployment(
        named: "green", of: "churn-batch", origin: "the header azureml-model-deployment")
    }
    #expect(
      named.description
        == "the header azureml-model-deployment names deployment 'green', and batch endpoint "
        + "'churn-batch' has only lgbm")
    var unknown = BatchDeploymentSpecification(name: "two", endpointName: "churn-batch")
    unknown.model = .registered(ModelReference(name: "nobody", revision: .version("1")))
    #expect(throws: ControlError.self) {
      try bench.control.putBatchDeployment(unknown, by: bench.actor)
    }
    // The only deployment answers without being the default.
    #expect(
      try bench.control.batchDeployment(named: nil, of: "churn-batch", origin: "")
        .specification.name == "lgbm")
  }

  @Test func `an output that nobody could write is refused by deployments, not by those before`()
    throws
  {
    let bench = try ControlBench()
    _ = try bench.apply([try bench.batchEndpoint(), try bench.batchDeployment("lgbm")])
    let record = try bench.control.batchDeployment("lgbm", of: "churn-batch")
    func refusal(_ name: String, _ change: (inout BatchSettings) -> Void) throws -> String {
      var wanted = record.specification
      wanted.name = name
      change(&wanted.settings)
      let error = try #require(throws: ControlError.self) {
        try bench.control.putBatchDeployment(wanted, by: bench.actor)
      }
      return error.description
    }
    for (name, plain) in [
      ("p.csv.gz", "p.csv"), ("P.PARQUET", "P.csv"), ("a.jsonl.zst", "a.jsonl"),
    ] {
      for deployment in ["lgbm", "two"] {
        #expect(
          try refusal(deployment) { $0.outputFileName = name }.hasSuffix(
            "such as '\(plain)', in the deployment's settings or for one job"))
      }
    }
    #expect(try refusal("two") { $0.carriedColumns = ["row"] }.contains("two columns 'row'"))
    #expect(bench.control.snapshot.catalog.batchDeployments.count == 1)
    var document = try bench.batchDeployment("lgbm")
    document.text = document.text.replacing(
      "mini_batch_size: 2", with: "output_file_name: p.csv.gz")
    let applied = try #require(throws: ControlError.self) { try bench.apply([document]) }
    #expect(applied.description.contains("output_file_name 'p.csv.gz': predictions are"))

    // One that an earlier version took stays, and its jobs may say otherwise.
    var old = record.specification
    old.settings.outputFileName = "p.csv.gz"
    let parts = try #require(record.model).split(separator: ":").map { String($0) }
    let model = try bench.registry.find(name: parts[0], version: parts[1])
    try bench.control.change { (state, store) throws(ControlError) in
      _ = try bench.control.put(
        old, model: model, failure: nil, in: &state, store, by: bench.actor)
    }
    try bench.restart()
    let found = try bench.control.batchDeployment(
      named: nil, of: "churn-batch", origin: "nobody")
    #expect(found.provisioningState == "Succeeded")
    #expect(found.specification.settings.outputFault?.contains("p.csv.gz") == true)
    let ours = try found.specification.settings.with(
      Document(["output_file_name": "p.csv"], source: "job"), own: Document([:], source: "job"))
    #expect(ours.outputFault == nil)
  }

  @Test func `a model that a batch deployment uses is not deleted; a deleted default is none`()
    throws
  {
    let bench = try ControlBench()
    _ = try bench.apply([
      try bench.batchEndpoint(defaultDeployment: "lgbm"), bench.batchDeployment("lgbm"),
    ])
    let model = try #require(try bench.control.batchDeployment("lgbm", of: "churn-batch").model)
    let parts = model.split(separator: ":").map(String.init)
    #expect(
      try bench.control.deployments(using: parts[0], version: parts[1])
        == ["churn-batch/lgbm (batch)"])
    #expect(throws: ControlError.self) {
      try bench.control.deleteModel(name: parts[0], version: parts[1], by: bench.actor)
    }
    try bench.control.deleteBatchDeployment("LGBM", of: "churn-batch", by: bench.actor)
    #expect(try bench.control.batchEndpoint("churn-batch").specification.defaultDeployment == nil)
    try bench.control.deleteModel(name: parts[0], version: parts[1], by: bench.actor)
    try bench.control.deleteBatchEndpoint("churn-batch", by: bench.actor)
    #expect(throws: ControlError.self) { try bench.control.keys(of: "churn-batch", .batch) }
    let rows = try bench.control.reading { (store) throws(ControlError) in
      try store.query("SELECT action || ' ' || resource AS line FROM audit ORDER BY sequence")
        .map { $0.text("line") }
    }
    #expect(
      rows.suffix(4).filter { !$0.contains("model") } == [
        "update batch endpoint churn-batch", "delete batch deployment churn-batch/lgbm",
        "delete batch endpoint churn-batch",
      ])
  }

  @Test func `a model that an unfinished job needs is not deleted`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([try bench.batchEndpoint(), try bench.batchDeployment("lgbm")])
    let model = try #require(try bench.control.batchDeployment("lgbm", of: "churn-batch").model)
    let parts = model.split(separator: ":").map(String.init)
    try bench.control.deleteBatchEndpoint("churn-batch", by: bench.actor)
    bench.loadCount.jobs.withLock { $0 = ["job nightly"] }
    let error = try #require(throws: ControlError.self) {
      try bench.control.deleteModel(name: parts[0], version: parts[1], by: bench.actor)
    }
    #expect(error.description.contains("job nightly"), "\(error)")
    bench.loadCount.jobs.withLock { $0 = [] }
    try bench.control.deleteModel(name: parts[0], version: parts[1], by: bench.actor)
  }

  @Test func `a schedule that no day fits is refused when it is saved`() throws {
    let bench = try ControlBench()
    for (trigger, words) in [
      ("type: cron, expression: '0 0 31 2 *'", "the expression '0 0 31 2 *' fits no day"),
      (
        """
        type: recurrence, frequency: month, interval: 12, start_time: '2026-02-01T00:00:00', \
        schedule: {month_days: [30, 31]}
        """, "the recurrence's days fits no day"
      ),
    ] {
      let error = try #require(throws: ControlError.self) {
        try bench.apply([Self.scheduled(trigger, bench)])
      }
      #expect(error.description.contains("it would never run"), "\(error)")
      #expect(error.description.contains(words), "\(error)")
    }
    #expect(bench.control.batchEndpoints().isEmpty)
    // The end is no matter of the days: a folder with an old one stays as it is.
    _ = try bench.apply([
      Self.scheduled("type: cron, expression: '0 0 29 2 *', end_time: '2020-01-01'", bench)
    ])
    #expect(bench.control.batchEndpoints().count == 1)
  }

  private static func scheduled(_ trigger: String, _ bench: ControlBench) -> ApplyDocument {
    bench.document(
      "churn-batch.yml",
      """
      $schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json
      name: churn-batch
      swerve: {schedule: {trigger: {\(trigger)}, input: azureml:rows@latest}}
      """)
  }

  @Test func `a data asset's version never changes; the newest is that not archived`() throws {
    let bench = try ControlBench()
    var asset = DataAsset(
      name: "rows", version: "1", type: "uri_folder",
      path: "azureml://datastores/workspaceblobstore/paths/a")
    #expect(try bench.control.putDataAsset(asset, by: bench.actor).created)
    #expect(try bench.control.nextDataVersion(of: "rows") == "2")
    asset.path += "2"
    #expect(throws: ControlError.self) {
      try bench.control.putDataAsset(asset, by: bench.actor)
    }
    asset.version = "2"
    _ = try bench.control.putDataAsset(asset, by: bench.actor)
    #expect(try bench.control.dataAsset("rows", version: nil).version == "2")
    asset.isArchived = true
    asset.tags = ["a": "b"]
    #expect(try bench.control.putDataAsset(asset, by: bench.actor).created == false)
    try bench.restart()
    #expect(try bench.control.dataAsset("rows", version: nil).version == "1")
    #expect(try bench.control.dataAsset("rows", version: "2").tags == ["a": "b"])
    #expect(throws: ControlError.self) { try bench.control.dataAsset("rows", version: "9") }
  }
}

extension ControlBench {
  func batchEndpoint(defaultDeployment: String? = nil) throws -> ApplyDocument {
    document(
      "churn-batch.yml",
      """
      $schema: https://azuremlschemas.azureedge.net/latest/batchEndpoint.schema.json
      name: churn-batch
      \(defaultDeployment.map { "defaults: {deployment_name: \($0)}" } ?? "")
      """)
  }

  /// A batch deployment with a model of its own; the text `broken` cannot be used.
  func batchDeployment(_ name: String, model: String = "good") throws -> ApplyDocument {
    try file("batch-\(name)/\(model).txt", model)
    return document(
      "batch-\(name).yml",
      """
      $schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
      name: \(name)
      endpoint_name: churn-batch
      type: model
      model: {path: batch-\(name)/\(model).txt}
      settings: {mini_batch_size: 2}
      """)
  }
}
