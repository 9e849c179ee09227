import Foundation
import Store
import Testing

@testable import Serving

/// Taking an endpoint's deployments out of memory and back.
struct LoadingTests {
  private func audited(_ bench: ControlBench) throws -> [String] {
    try bench.database.read { (transaction) throws(StoreError) in
      try transaction.query("SELECT action, resource, actor FROM audit ORDER BY sequence", [])
    }.map { "\($0.text("action")) \($0.text("resource")) by \($0.text("actor"))" }
  }

  @Test func `unload and load are audited, and change what is in force`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([
      bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1"),
    ])
    try bench.control.unload("churn", by: bench.actor)
    let reasons = bench.service.table.endpoints["churn"]?.unavailable.values
    #expect(reasons.map(Array.init)?.allSatisfy { $0 == EndpointRoute.unloaded } == true)
    #expect(bench.answer("blue") == nil)
    try bench.control.reload("churn", by: bench.actor)
    #expect(bench.answer("blue") == 1)
    #expect(
      try audited(bench).suffix(2) == [
        "unload endpoint churn by test", "load endpoint churn by test",
      ])
  }

  @Test func `a load of an endpoint without deployments has done nothing and says so`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([bench.endpoint()])
    let error = try #require(throws: ControlError.self) {
      try bench.control.reload("churn", by: bench.actor)
    }
    #expect(error.description.contains("no deployment"))
  }

  @Test func `a load tries what is wanted, and fails while something else answers`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([
      bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1"),
    ])
    let accepted = try bench.control.putDeployment(
      try bench.specification("blue", answer: "broken"), by: bench.actor)
    #expect(try bench.wait(accepted.operation).status == "Failed")
    let error = try #require(throws: ControlError.self) {
      try bench.control.reload("churn", by: bench.actor)
    }
    #expect(error.description.contains("the model is broken"))
    #expect(error.description.contains("answers instead"))
    #expect(bench.answer("blue") == 1)
    #expect(try bench.control.deployment("blue", of: "churn").provisioningState == "Failed")
  }

  @Test func `a load that succeeds ends the state of failure`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([bench.endpoint()])
    let accepted = try bench.control.putDeployment(
      try bench.specification("blue", answer: "broken"), by: bench.actor)
    _ = try bench.wait(accepted.operation)
    // Whatever was in the way is gone: here, the text of the package's file.
    let packages = bench.folder + "/models"
    let files = FileManager.default.enumerator(atPath: packages)?.compactMap { $0 as? String } ?? []
    let file = try #require(files.first { $0.hasSuffix("/broken.txt") })
    try "3".write(toFile: packages + "/" + file, atomically: true, encoding: .utf8)
    try bench.control.reload("churn", by: bench.actor)
    #expect(try bench.control.deployment("blue", of: "churn").provisioningState == "Succeeded")
    #expect(bench.answer("blue") == 3)
    try bench.restart()
    #expect(try bench.control.deployment("blue", of: "churn").provisioningState == "Succeeded")
  }

  @Test func `while a successor takes over nothing is changed, and afterwards it is`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([
      bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1"),
    ])
    var endpoint = try bench.control.endpoint("churn").specification
    endpoint.tags = ["a": "b"]
    try bench.control.pause()
    bench.database.close()
    let error = try #require(throws: ControlError.self) {
      try bench.control.putEndpoint(endpoint, by: bench.actor)
    }
    #expect(error.description.contains("successor"))
    #expect(bench.answer("blue") == 1)
    try bench.database.reopen()
    bench.control.resume()
    _ = try bench.control.putEndpoint(endpoint, by: bench.actor)
    #expect(try bench.control.endpoint("churn").specification.tags == ["a": "b"])
    _ = try bench.control.registering { () throws(ControlError) in
      #expect(throws: ControlError.self, "a model is being registered") {
        try bench.control.pause()
      }
    }
    bench.loadCount.hold()
    let accepted = try bench.control.putDeployment(
      try bench.specification("green", answer: "2"), by: bench.actor)
    #expect(throws: ControlError.self, "an operation is in progress") {
      try bench.control.pause()
    }
    bench.loadCount.release()
    _ = try bench.wait(accepted.operation)
  }
}
