import Foundation
import Registry
import Synchronization
import Testing

@testable import Serving

@Suite struct ApplyTests {
  private func changes(_ report: ApplyReport) -> [String] {
    report.changes.filter { $0.action != .unchanged }.map { "\($0.action.rawValue) \($0.resource)" }
  }

  @Test func `documents become endpoints, deployments and traffic in one apply`() throws {
    let bench = try ControlBench()
    let report = try bench.apply([
      bench.deployment("blue", answer: "1"), bench.deployment("green", answer: "2"),
      bench.endpoint(traffic: "blue: 90, green: 10"),
    ])
    #expect(
      Set(changes(report)) == [
        "create endpoint churn", "create deployment churn/blue", "create deployment churn/green",
      ])
    #expect(bench.answer("blue") == 1)
    #expect(bench.answer("green") == 2)
    #expect(try bench.control.endpoint("Churn").specification.traffic == ["blue": 90, "green": 10])
    #expect(bench.service.table.endpoints["churn"]?.keys.count == 2)
  }

  @Test func `traffic alone loads nothing`() throws {
    let bench = try ControlBench()
    let deployments = [
      try bench.deployment("blue", answer: "1"), try bench.deployment("green", answer: "2"),
    ]
    try bench.apply(deployments + [bench.endpoint(traffic: "blue: 90, green: 10")])
    let generation = try bench.control.deployment("blue", of: "churn").generation
    let report = try bench.apply(deployments + [bench.endpoint(traffic: "blue: 50, green: 50")])
    #expect(changes(report) == ["update endpoint churn"])
    #expect(report.changes.last?.detail == "traffic.blue: 90 → 50; traffic.green: 10 → 50")
    #expect(bench.loadCount.loads.load(ordering: .relaxed) == 2)
    #expect(try bench.control.deployment("blue", of: "churn").generation == generation)
  }

  @Test func `tags alone load nothing`() throws {
    let bench = try ControlBench()
    try bench.apply([bench.endpoint(), bench.deployment("blue", answer: "1")])
    let report = try bench.apply([bench.deployment("blue", answer: "1", tag: "b")])
    #expect(report.changes.map(\.detail) == ["tags.tag: a → b"])
    #expect(bench.loadCount.loads.load(ordering: .relaxed) == 1)
    #expect(try bench.control.deployment("blue", of: "churn").specification.tags == ["tag": "b"])
  }

  @Test func `one bad document among good ones changes nothing, and all faults are told`() throws {
    let bench = try ControlBench()
    try bench.apply([bench.endpoint(), bench.deployment("blue", answer: "1")])
    let before = bench.control.snapshot.catalog
    let faults = try #require(throws: ControlError.self) {
      try bench.apply([
        bench.endpoint(traffic: "blue: 90"),
        bench.deployment("green", answer: "2"),
        bench.document("x.yml", "name: xyz\nauth_mode: key\nauth_mod: key\n"),
        bench.document("y.yml", "name: [\n"),
      ])
    }
    guard case .documents(let sentences) = faults else {
      Issue.record("\(faults)")
      return
    }
    #expect(sentences.count == 3)
    #expect(sentences.contains { $0.contains("sums to 90") && $0.contains("$.traffic") })
    #expect(sentences.contains { $0.contains("auth_mod") && $0.contains("did you mean") })
    #expect(bench.control.snapshot.catalog == before)
    #expect(try bench.registry.models(.all).count == 1)
  }

  @Test func `a model that does not load stops everything`() throws {
    let bench = try ControlBench()
    #expect(throws: ControlError.self) {
      try bench.apply([
        bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1"),
        bench.deployment("green", answer: "broken"),
      ])
    }
    #expect(try bench.control.endpoints().isEmpty)
    #expect(try bench.registry.models(.all).isEmpty)
    #expect(bench.service.table.endpoints.isEmpty)
    #expect(bench.control.snapshot.busy.isEmpty)
  }

  @Test func `at start one rotten deployment leaves the others`() throws {
    let bench = try ControlBench()
    let report = try bench.apply(
      [
        bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "broken"),
        bench.endpoint("iris", traffic: "blue: 100"),
        bench.deployment("blue", of: "iris", answer: "3"),
      ], unit: .endpoint)
    #expect(
      report.changes.filter { $0.action == .failed }.map(\.resource) == ["deployment churn/blue"])
    #expect(bench.answer("blue", of: "iris") == 3)
    let failed = try bench.control.deployment("blue", of: "churn")
    #expect(failed.provisioningState == "Failed")
    #expect(failed.failure?.message == "the model is broken")
    #expect(try bench.control.endpoint("churn").specification.traffic == ["blue": 100])
    #expect(bench.service.table.endpoints["churn"]?.unavailable["blue"] == "the model is broken")
  }

  @Test func `an edit by hand survives the same documents and a restart`() throws {
    let bench = try ControlBench()
    let documents = [
      try bench.deployment("blue", answer: "1"), try bench.deployment("green", answer: "2"),
      bench.endpoint(traffic: "blue: 100"),
    ]
    try bench.apply(documents, unit: .endpoint)
    var edited = try bench.control.endpoint("churn").specification
    edited.traffic = ["blue": 0, "green": 100]
    _ = try bench.control.putEndpoint(edited, by: bench.actor)
    try bench.restart()
    let report = try bench.apply(documents, unit: .endpoint)
    #expect(changes(report).isEmpty)
    #expect(try bench.control.endpoint("churn").specification.traffic["green"] == 100)
    #expect(bench.answer("green") == 2)
  }

  @Test func `pruning deletes what an earlier apply made, and nothing else`() throws {
    let bench = try ControlBench()
    let blue = try bench.deployment("blue", answer: "1")
    let green = try bench.deployment("green", answer: "2")
    try bench.apply([bench.endpoint(traffic: "blue: 100"), blue, green])
    _ = try bench.control.putEndpoint(EndpointSpecification(name: "byhand"), by: bench.actor)
    let report = try bench.apply([bench.endpoint(traffic: "blue: 100"), blue], prune: true)
    #expect(changes(report) == ["delete deployment churn/green"])
    #expect(try bench.control.deployments(of: "churn").map(\.specification.name) == ["blue"])
    #expect(try bench.control.endpoints().count == 2)
  }

  private func model(_ bench: ControlBench, stage: String) throws -> ApplyDocument {
    try bench.file("model.txt", "1")
    // The document goes into the package: it has to be on the disk.
    let text = """
      $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
      name: churn
      version: "1"
      type: custom_model
      path: model.txt
      stage: \(stage)
      """
    try bench.file("model.yml", text)
    return bench.document("model.yml", text)
  }

  @Test func `words of a model are part of the commit`() throws {
    let bench = try ControlBench()
    try bench.apply([model(bench, stage: "Development")])
    // The commit fails after the model: neither the document nor the words are kept.
    let before = try bench.control.reading { (store) throws(ControlError) in
      try store.appliedDocuments()
    }
    try bench.failWrites(of: "applied_documents")
    #expect(throws: ControlError.self) { try bench.apply([model(bench, stage: "Production")]) }
    #expect(try bench.registry.find(name: "churn", version: "1").stage == "Development")
    try bench.allowWrites(of: "applied_documents")
    let after = try bench.control.reading { (store) throws(ControlError) in
      try store.appliedDocuments()
    }
    #expect(after == before)
    try bench.apply([model(bench, stage: "Production")])
    #expect(try bench.registry.find(name: "churn", version: "1").stage == "Production")
  }

  @Test func `pruning a model is part of the commit, and one in use stays`() throws {
    let bench = try ControlBench()
    let endpoint = bench.endpoint()
    try bench.apply([model(bench, stage: "Development"), endpoint])
    let package = bench.registry.packagePath(name: "churn", version: "1")
    try bench.failWrites(of: "audit")
    #expect(throws: ControlError.self) { try bench.apply([endpoint], prune: true) }
    try bench.allowWrites(of: "audit")
    #expect(try bench.registry.models(.all).count == 1)
    #expect(FileManager.default.fileExists(atPath: package))

    let user = bench.document(
      "user.yml", "name: blue\nendpoint_name: churn\nmodel: azureml:churn:1\n")
    let kept = try bench.apply([endpoint, user], prune: true)
    #expect(kept.notices.contains { $0.contains("model churn:1 stays") })
    #expect(changes(kept) == ["create deployment churn/blue"])

    try bench.apply([model(bench, stage: "Development"), endpoint, user])
    let report = try bench.apply([endpoint], prune: true)
    #expect(Set(changes(report)) == ["delete deployment churn/blue", "delete model churn:1"])
    #expect(try bench.registry.models(.all).isEmpty)
    #expect(!FileManager.default.fileExists(atPath: package))
  }

  @Test func `a model row that cannot be read is an error, not a model that is not there`() throws {
    let bench = try ControlBench()
    let endpoint = bench.endpoint()
    try bench.apply([model(bench, stage: "Development"), endpoint])
    try bench.execute("UPDATE models SET body = '{'")
    let error = try #require(throws: ControlError.self) {
      try bench.apply([endpoint], prune: true, dryRun: true)
    }
    guard case .registry(.store) = error else {
      Issue.record("\(error)")
      return
    }
  }

  private func modelWithoutVersion(_ bench: ControlBench, answer: String) throws -> ApplyDocument {
    try bench.file("free/model.txt", answer)
    let text = "name: free\ntype: custom_model\npath: model.txt\n"
    try bench.file("free/model.yml", text)
    return bench.document("free/model.yml", text)
  }

  @Test(arguments: [ControlPlane.ApplyUnit.everything, .endpoint])
  func `a model trained again under the same version is refused with both hashes`(
    _ unit: ControlPlane.ApplyUnit
  ) throws {
    let bench = try ControlBench()
    let user = bench.document(
      "user.yml", "name: blue\nendpoint_name: churn\nmodel: azureml:churn:1\n")
    let documents = [try model(bench, stage: "Development"), bench.endpoint(), user]
    try bench.apply(documents)
    let registered = try bench.registry.find(name: "churn", version: "1").contentHash
    try bench.file("model.txt", "2")
    let offered = try bench.registry.contentHash(
      of: ModelRegistration(name: "churn", version: "1", path: bench.folder + "/source/model.txt"))
    #expect(offered != registered)
    let reason: String
    switch unit {
    case .everything:
      reason = try #require(throws: ControlError.self) { try bench.apply(documents) }.description
    case .endpoint:
      let report = try bench.apply(documents, unit: .endpoint)
      let failures = report.changes.filter { $0.action == .failed }
      #expect(failures.map(\.resource) == ["model churn:1"])
      reason = failures.first?.detail ?? ""
    }
    #expect(reason.contains(registered) && reason.contains(offered))
    // What serves goes on.
    #expect(bench.answer("blue") == 1)
    #expect(try bench.registry.find(name: "churn", version: "1").contentHash == registered)
  }

  @Test func `a model trained again without a version in its YAML is a new version`() throws {
    let bench = try ControlBench()
    try bench.apply([modelWithoutVersion(bench, answer: "1")])
    #expect(changes(try bench.apply([modelWithoutVersion(bench, answer: "1")])).isEmpty)
    let report = try bench.apply([modelWithoutVersion(bench, answer: "2")])
    #expect(changes(report) == ["create model free:2"])
    #expect(try bench.registry.versions(of: "free", .all).count == 2)
    // By hand a third one: the document and its files are what they were.
    let third = ModelRegistration(
      name: "free", version: "3", path: try bench.file("third.txt", "3"))
    _ = try bench.control.registerModel(third, by: bench.actor)
    #expect(changes(try bench.apply([modelWithoutVersion(bench, answer: "2")])).isEmpty)
    #expect(try bench.registry.versions(of: "free", .all).count == 3)
  }

  @Test func `the words that were changed by hand outlive a file that is only touched`() throws {
    let bench = try ControlBench()
    let document = try model(bench, stage: "Development")
    try bench.apply([document])
    _ = try bench.registry.update(name: "churn", version: "1") { $0.stage = "Production" }
    try bench.file("model.txt", "1")
    #expect(changes(try bench.apply([document])).isEmpty)
    #expect(try bench.registry.find(name: "churn", version: "1").stage == "Production")
  }

  @Test func `a deployment whose own model was trained again serves the new one`() throws {
    let bench = try ControlBench()
    let blue = try bench.deployment("blue", answer: "1")
    try bench.apply([bench.endpoint(), blue])
    #expect(changes(try bench.apply([blue])).isEmpty)
    try bench.file("churn-blue/1.txt", "7")
    #expect(changes(try bench.apply([blue])) == ["update deployment churn/blue"])
    #expect(bench.answer("blue") == 7)
    // At start too.
    try bench.file("churn-blue/1.txt", "8")
    try bench.restart()
    #expect(bench.answer("blue") == 7)
    try bench.apply([blue], unit: .endpoint)
    #expect(bench.answer("blue") == 8)
    // One that cannot be read leaves what serves.
    try FileManager.default.removeItem(atPath: bench.folder + "/source/churn-blue/1.txt")
    let report = try bench.apply([blue], unit: .endpoint)
    #expect(changes(report) == ["failed deployment churn/blue"])
    #expect(bench.answer("blue") == 8)
    #expect(try bench.control.deployment("blue", of: "churn").provisioningState == "Succeeded")
  }

  @Test func `an uploaded model is told by its content, wherever it lies`() throws {
    let bench = try ControlBench()
    func blue(_ upload: String, answer: String) throws -> ApplyDocument {
      var document = try bench.deployment("blue", answer: "1")
      let artifact = try bench.file("\(upload)/1.txt", answer)
      document.files = .uploaded(artifact: artifact, extraFiles: [:])
      return document
    }
    try bench.apply([bench.endpoint(), blue("first", answer: "5")])
    #expect(bench.answer("blue") == 5)
    try FileManager.default.removeItem(atPath: bench.folder + "/source/first")
    let writes = try bench.control.reading { (store) throws(ControlError) in
      try store.appliedDocuments()
    }
    #expect(changes(try bench.apply([blue("second", answer: "5")])).isEmpty)
    #expect(
      try bench.control.reading { (store) throws(ControlError) in
        try store.appliedDocuments()
      } == writes)
    #expect(writes.values.contains { $0.files != nil })
    #expect(
      changes(try bench.apply([blue("third", answer: "6")])) == ["update deployment churn/blue"])
    #expect(bench.answer("blue") == 6)
  }

  @Test func `a plan tells and does nothing`() throws {
    let bench = try ControlBench()
    let report = try bench.apply(
      [bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1")], dryRun: true)
    #expect(
      Set(changes(report)) == ["create endpoint churn", "create deployment churn/blue"])
    #expect(try bench.control.endpoints().isEmpty)
    #expect(try bench.registry.models(.all).isEmpty)
    #expect(bench.loadCount.loads.load(ordering: .relaxed) == 0)
  }

  @Test func `applies from several threads end in one of the states asked for`() throws {
    let bench = try ControlBench()
    let deployments = [
      try bench.deployment("blue", answer: "1"), try bench.deployment("green", answer: "2"),
    ]
    try bench.apply(deployments + [bench.endpoint()])
    let failures = Atomic(0)
    DispatchQueue.concurrentPerform(iterations: 16) { index in
      let blue = index * 5
      do {
        try bench.apply([bench.endpoint(traffic: "blue: \(blue), green: \(100 - blue)")])
      } catch {
        failures.add(1, ordering: .relaxed)
      }
    }
    #expect(failures.load(ordering: .relaxed) == 0)
    let traffic = try bench.control.endpoint("churn").specification.traffic
    #expect(traffic.values.reduce(0, +) == 100)
    #expect(
      bench.service.table.endpoints["churn"]?.split == TrafficSplit(traffic))
  }

  @Test(arguments: [
    // Several documents, a Helm template, a template's own lines.
    "apiVersion: v1\nkind: Service\n---\napiVersion: v1\nkind: Service\n",
    "apiVersion: v1\nmetadata:\n  name: {{ include \"churn.name\" . }}-x\n",
    "{{- if .Values.enabled }}\nreplicas: {{ .Values.count }}\n{{- end }}\n",
    "# a chart\nkind: Deployment\nspec:\n\t- tab\n",
  ])
  func `a document of another tool that is no YAML is passed over`(text: String) throws {
    let bench = try ControlBench()
    let report = try bench.apply([bench.endpoint(), bench.document("other.yml", text)])
    #expect(changes(report) == ["create endpoint churn"])
    #expect(report.notices.contains { $0.contains("other.yml") && $0.contains("skipped") })
  }

  @Test(arguments: [
    "name: [\n", "name: churn\nauth_mode: [\nkind: x\n",
    "$schema: https://x/managedOnlineEndpoint.schema.json\nkind: {{ x }}-y\n",
    "endpoint_name: churn\nname: {{NAME}}-x\n", "name: a\n  kind: b\n", "\tapiVersion: v1\n",
  ])
  func `a document that may be ours and is no YAML is an error`(text: String) throws {
    let bench = try ControlBench()
    let error = try #require(throws: ControlError.self) {
      try bench.apply([bench.endpoint(), bench.document("ours.yml", text)])
    }
    #expect(error.description.contains("ours.yml"))
    #expect(try bench.control.endpoints().isEmpty)
  }

  @Test func `a script is refused with a sentence that says so`() throws {
    let bench = try ControlBench()
    let error = try #require(throws: ControlError.self) {
      try bench.apply([
        bench.endpoint(),
        bench.document(
          "script.yml",
          """
          name: blue
          endpoint_name: churn
          model: {path: .}
          code_configuration: {code: src, scoring_script: score.py}
          environment: azureml:env:1
          """),
      ])
    }
    #expect(error.description.contains("'score.py'"))
    #expect(error.description.contains("does not run scripts yet"))
  }
}
