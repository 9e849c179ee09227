import Foundation
import Registry
import Telemetry
import Testing

@testable import Serving

@Suite struct ControlPlaneTests {
  @Test func `a failed update leaves the old generation in force, after a restart too`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([
      bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1"),
    ])
    let accepted = try bench.control.putDeployment(
      try bench.specification("blue", answer: "broken"), by: bench.actor)
    #expect(accepted.created == false)
    #expect(accepted.record.provisioningState == "Updating")
    let ended = try bench.wait(accepted.operation)
    #expect(ended.status == "Failed")
    #expect(ended.failure?.message == "the model is broken")
    for _ in 0..<2 {
      let record = try bench.control.deployment("blue", of: "churn")
      #expect(record.provisioningState == "Failed")
      #expect(record.failure?.message == "the model is broken")
      #expect(bench.answer("blue") == 1)
      try bench.restart()
    }
  }

  @Test func `an update serves the old generation until the new one is ready`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([bench.endpoint(), bench.deployment("blue", answer: "1")])
    bench.loadCount.hold()
    let accepted = try bench.control.putDeployment(
      try bench.specification("blue", answer: "2"), by: bench.actor)
    #expect(bench.answer("blue") == 1)
    let conflict = try #require(throws: ControlError.self) {
      try bench.control.putDeployment(
        try bench.specification("blue", answer: "3"), by: bench.actor)
    }
    guard case .conflict = conflict else {
      Issue.record("\(conflict)")
      return
    }
    bench.loadCount.release()
    #expect(try bench.wait(accepted.operation).status == "Succeeded")
    #expect(bench.answer("blue") == 2)
  }

  @Test func `what was accepted before a crash is there after it`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([bench.endpoint(), bench.deployment("blue", answer: "1")])
    bench.loadCount.hold()
    let accepted = try bench.control.putDeployment(
      try bench.specification("blue", answer: "2"), by: bench.actor)
    // A second control plane over the same database sees what a restart would see.
    let stored = try bench.control.reading { (store) throws(ControlError) in
      try store.catalog()
    }
    let key = DeploymentKey(endpoint: "churn", name: "blue")
    #expect(stored.deployments[key]?.record.provisioningState == "Updating")
    #expect(
      stored.deployments[key]?.serving?.generation != stored.deployments[key]?.record.generation)
    #expect(stored == bench.control.snapshot.catalog)
    bench.loadCount.release()
    _ = try bench.wait(accepted.operation)
  }

  @Test func `a deployment with live traffic is not deleted`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([
      bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1"),
    ])
    let error = try #require(throws: ControlError.self) {
      try bench.control.deleteDeployment("Blue", of: "churn", by: bench.actor)
    }
    #expect(error.description.contains("100 % of the live traffic"))
    var endpoint = try bench.control.endpoint("churn").specification
    endpoint.traffic = ["blue": 0]
    _ = try bench.control.putEndpoint(endpoint, by: bench.actor)
    try bench.control.deleteDeployment("blue", of: "churn", by: bench.actor)
    #expect(try bench.control.deployments(of: "churn").isEmpty)
    #expect(try bench.control.endpoint("churn").specification.traffic.isEmpty)
  }

  @Test func `traffic to an unknown or failed deployment is refused`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([bench.endpoint(), bench.deployment("blue", answer: "1")])
    let accepted = try bench.control.putDeployment(
      try bench.specification("green", answer: "broken"), by: bench.actor)
    _ = try bench.wait(accepted.operation)
    for (name, words) in [("red", "unknown deployment 'red'"), ("green", "the model is broken")] {
      var endpoint = try bench.control.endpoint("churn").specification
      endpoint.traffic = ["blue": 90, name: 10]
      let error = try #require(throws: ControlError.self) {
        try bench.control.putEndpoint(endpoint, by: bench.actor)
      }
      #expect(error.description.contains(words))
    }
  }

  @Test func `a mirror is put in force with its share, and taken out of it`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([
      bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1"),
      bench.deployment("green", answer: "2"),
    ])
    var endpoint = try bench.control.endpoint("churn").specification
    endpoint.mirrorTraffic = ["green": 10]
    _ = try bench.control.putEndpoint(endpoint, by: bench.actor)
    let share = try #require(bench.service.table.endpoints["churn"]?.mirror)
    #expect(share.percent == 10)
    #expect(share.lane.deployment.name == "green")
    // A change of something else keeps the lane with what waits in it.
    endpoint.tags = ["a": "b"]
    _ = try bench.control.putEndpoint(endpoint, by: bench.actor)
    #expect(bench.service.table.endpoints["churn"]?.mirror?.lane === share.lane)
    for (mirror, words) in [
      (["blue": 10], "without live traffic"), (["green": 51], "0 to 50"),
      (["red": 10], "unknown deployment 'red'"), (["green": 10, "blue": 5], "one deployment"),
    ] {
      var wrong = endpoint
      wrong.mirrorTraffic = mirror
      let error = try #require(throws: ControlError.self) {
        try bench.control.putEndpoint(wrong, by: bench.actor)
      }
      #expect(error.description.contains(words))
    }
    endpoint.mirrorTraffic = ["green": 0]
    _ = try bench.control.putEndpoint(endpoint, by: bench.actor)
    #expect(bench.service.table.endpoints["churn"]?.mirror == nil)
  }

  @Test func `a restart that cannot read a version's row loads no other version in its place`()
    throws
  {
    let bench = try ControlBench()
    let first = ModelRegistration(
      name: "churn", version: "1", path: try bench.file("one.txt", "1"))
    _ = try bench.control.registerModel(first, by: bench.actor)
    try bench.apply([
      bench.endpoint(traffic: "blue: 100"),
      bench.document(
        "blue.yml", "name: blue\nendpoint_name: churn\nmodel: azureml:churn@latest\n"),
    ])
    let second = ModelRegistration(
      name: "churn", version: "2", path: try bench.file("two.txt", "2"))
    _ = try bench.control.registerModel(second, by: bench.actor)
    try bench.execute("UPDATE models SET body = '{' WHERE version = '1'")
    try bench.restart()
    #expect(bench.answer("blue") == nil)
    let record = try bench.control.deployment("blue", of: "churn")
    #expect(record.provisioningState == "Failed")
    #expect(record.failure?.message.hasPrefix("model churn:1: ") == true)
  }

  @Test func `a deployment needs its endpoint`() throws {
    let bench = try ControlBench()
    let error = try #require(throws: ControlError.self) {
      try bench.control.putDeployment(
        try bench.specification("blue", answer: "1"), by: bench.actor)
    }
    guard case .endpointNotFound("churn", _) = error else {
      Issue.record("\(error)")
      return
    }
  }

  @Test func `keys survive a restart, and are made anew one at a time`() throws {
    let bench = try ControlBench()
    _ = try bench.control.putEndpoint(EndpointSpecification(name: "churn"), by: bench.actor)
    let first = try bench.control.keys(of: "CHURN")
    #expect(first.primary.hasPrefix("swk_") && first.primary != first.secondary)
    try bench.restart()
    #expect(try bench.control.keys(of: "churn") == first)
    let second = try bench.control.regenerateKey(
      .primary, of: "churn", value: first.primary, by: bench.actor)
    #expect(second.primary != first.primary)
    #expect(second.secondary == first.secondary)
    let third = try bench.control.regenerateKey(
      .secondary, of: "churn", value: "a-key-of-mine", by: bench.actor)
    #expect(third.secondary == "a-key-of-mine")
    #expect(
      bench.service.table.endpoints["churn"]?.keys
        == [Array(third.primary.utf8), Array(third.secondary.utf8)])
  }

  @Test func `a key file wins over the database`() throws {
    let bench = try ControlBench()
    _ = try bench.control.putEndpoint(EndpointSpecification(name: "churn"), by: bench.actor)
    try bench.file("../keys/churn/primary", "  from-a-file\n")
    try bench.restart(keysFolder: bench.folder + "/keys")
    #expect(try bench.control.keys(of: "churn").primary == "from-a-file")
    #expect(throws: ControlError.self) {
      try bench.control.regenerateKey(.primary, of: "churn", value: nil, by: bench.actor)
    }
  }

  @Test func `a key file that cannot be used stops the start and leaves the keys in force`() throws
  {
    let bench = try ControlBench()
    _ = try bench.control.putEndpoint(EndpointSpecification(name: "churn"), by: bench.actor)
    let path = try bench.file("../keys/churn/primary", "from-a-file")
    let folder = bench.folder + "/keys"
    try bench.restart(keysFolder: folder)
    let keys = bench.service.table.endpoints["churn"]?.keys
    let faults: [(Data, String)] = [
      (Data(" \n".utf8), "is empty"), (Data([0x6B, 0xFF]), "is not UTF-8"),
      (Data(repeating: 0x6B, count: 5000), "is longer than 4096 bytes"),
    ]
    for (content, words) in faults {
      try content.write(to: URL(fileURLWithPath: path))
      // What SIGHUP does, with nothing else to do and with something.
      for documents in [[], [bench.endpoint("iris")]] {
        let error = try #require(throws: ControlError.self) { try bench.apply(documents) }
        #expect(error.description.contains("keys/churn/primary \(words)"))
      }
      #expect(bench.service.table.endpoints["churn"]?.keys == keys)
      #expect(bench.service.table.endpoints["iris"] == nil)
      let error = try #require(throws: ControlError.self) {
        try bench.restart(keysFolder: folder)
      }
      #expect(error.description.contains("keys/churn/primary \(words)"))
      try "from-a-file".write(toFile: path, atomically: false, encoding: .utf8)
      try bench.restart(keysFolder: folder)
    }
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    #expect(throws: ControlError.self) { try bench.apply([]) }
    #expect(bench.service.table.endpoints["churn"]?.keys == keys)
    try FileManager.default.removeItem(atPath: path)
    try bench.apply([])
    #expect(try bench.control.keys(of: "churn").primary.hasPrefix("swk_"))
  }

  @Test func `an operation that a crash cut off ends as its deployment does`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([bench.endpoint()])
    for (answer, status) in [("1", "Succeeded"), ("broken", "Failed")] {
      let accepted = try bench.control.putDeployment(
        try bench.specification("blue", answer: answer), by: bench.actor)
      _ = try bench.wait(accepted.operation)
      // What the database holds when the process dies before the end is written.
      try bench.control.change { (state, store) throws(ControlError) in
        try store.save(accepted.operation, resource: "deployment Churn/blue")
        var stored = try state.catalog.deployment(DeploymentKey(endpoint: "churn", name: "blue"))
        stored.record.provisioningState = accepted.record.provisioningState
        stored.record.failure = nil
        try store.save(stored)
      }
      try bench.restart()
      let ended = try bench.control.operation(accepted.operation.id)
      #expect(ended.status == status)
      #expect(ended.endedAt != nil)
      #expect(ended.failure?.message == (status == "Failed" ? "the model is broken" : nil))
    }
    // One whose deployment is gone.
    let orphan = OperationRecord(id: "orphan", status: "InProgress", startedAt: 1)
    try bench.control.change { (_, store) throws(ControlError) in
      try store.save(orphan, resource: "deployment churn/gone")
    }
    try bench.restart()
    #expect(try bench.control.operation("orphan").failure?.code == "OperationInterrupted")
  }

  @Test func `a model in use is not deleted`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([bench.endpoint(), bench.deployment("blue", answer: "1")])
    let model = try #require(try bench.registry.models(.all).first)
    #expect(
      try bench.control.deployments(using: model.name, version: model.version) == ["churn/blue"])
    #expect(throws: ControlError.self) {
      try bench.control.deleteModel(
        name: model.name, version: model.version, by: bench.actor)
    }
  }

  @Test func `metrics show the generation in force and the one before, each by itself`() throws {
    let bench = try ControlBench()
    try bench.apply([bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1")])
    var generations: [Int64] = []
    for answer in 1...4 {
      try bench.apply([bench.deployment("blue", answer: "\(answer)")])
      let caller = FakeCaller()
      let route = try #require(bench.service.table.endpoints["churn"])
      bench.service.score(
        ScoringRequest(
          endpoint: route, pinned: nil, form: .score, arrived: MonotonicClock.system.now()),
        for: caller)
      let outcome = try #require(caller.outcome())
      outcome.deployment?.metrics.record(status: 200, times: outcome.times, ended: 1)
      generations.append(try bench.control.deployment("blue", of: "churn").generation)
    }
    #expect(Set(generations).count == 4)
    func shown() -> [String] {
      String(decoding: bench.metrics.prometheusText(), as: UTF8.self).split(separator: "\n")
        .filter { $0.contains(#"code="200""#) && $0.contains(#"deployment="blue""#) }
        .map(String.init)
    }
    let lines = shown()
    #expect(lines.count == 2)
    for (line, generation) in zip(lines, generations[2...]) {
      #expect(line.contains(#"generation="\#(generation)""#))
      #expect(line.hasSuffix(" 1"))
    }
    try bench.apply([bench.endpoint()])
    try bench.control.deleteDeployment("blue", of: "churn", by: bench.actor)
    #expect(shown().isEmpty)
  }

  @Test func `generations never come back`() throws {
    let bench = try ControlBench()
    var seen: Set<Int64> = []
    for _ in 0..<3 {
      let (record, _) = try bench.control.putEndpoint(
        EndpointSpecification(name: "churn"), by: bench.actor)
      #expect(seen.insert(record.generation).inserted)
      try bench.control.deleteEndpoint("churn", by: bench.actor)
      try bench.restart()
    }
  }
}
