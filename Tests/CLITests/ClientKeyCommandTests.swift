import Foundation
import HTTP
import Testing

/// `swerve client-key` against a running gateway.
struct ClientKeyCommandTests {
  @Test func `a client's key is made, metered, given another quota, and deleted`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let made = try gateway.swerve(
      "client-key", "create", "-e", "iris", "-n", "shop", "--requests-per-second", "0.01",
      "--burst", "1", "--query", "key", "-o", "tsv")
    #expect(made.status == 0, "\(made.error)")
    let key = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    let body = try SampleModels.request("iris/1")
    func status() throws -> Int {
      try gateway.client().send(
        method: "POST", path: "/endpoints/iris/score",
        headers: [("Authorization", "Bearer \(key)")], body: body
      ).status
    }
    #expect(try status() == 200)
    #expect(try status() == 429)
    let again = try gateway.swerve("client-key", "create", "-e", "iris", "-n", "Shop")
    #expect(again.status == 1)
    #expect(again.error.contains("already"), "\(again.error)")
    let updated = try gateway.swerve(
      "client-key", "update", "-e", "iris", "-n", "shop", "--max-concurrent-requests", "2",
      "--remove", "requests-per-second", "--remove", "burst")
    #expect(updated.status == 0, "\(updated.error)")
    #expect(!updated.output.contains("swc_"))
    for _ in 0..<5 { #expect(try status() == 200) }
    let list = try gateway.swerve("client-key", "list", "-e", "iris").output
    #expect(list.contains("\"max_concurrent_requests\": 2"), "\(list)")
    #expect(!list.contains("requests_per_second"), "\(list)")
    let more = try gateway.swerve(
      "client-key", "update", "-e", "iris", "-n", "shop", "--body-bytes-per-second", "1000000")
    #expect(more.output.contains("\"max_concurrent_requests\": 2"), "\(more.output)")
    let unknown = try gateway.swerve(
      "client-key", "update", "-e", "iris", "-n", "shop", "--remove", "bursts")
    #expect(unknown.status == 1 && unknown.error.contains("burst,"), "\(unknown.error)")
    #expect(!list.contains(key))
    // It lives through a restart, as a hash.
    #expect(try gateway.restart([]).status == 0)
    #expect(try status() == 200)
    #expect(
      try gateway.swerve("client-key", "delete", "-e", "iris", "-n", "shop", "--yes").status == 0)
    #expect(try status() == 401)
    for (arguments, words) in [
      (["-e", "nobody", "-n", "x"], "nobody"), (["-e", "iris", "-n", "a@b"], "a@b"),
      (["-e", "iris", "-n", "x", "--burst", "3"], "requests_per_second"),
    ] {
      let wrong = try CommandResult.run(
        ["client-key", "create", "--workspace", gateway.workspace.path] + arguments)
      #expect(wrong.status == 1)
      #expect(wrong.error.contains(words), "\(wrong.error)")
    }
    #expect(!gateway.log().contains(key))
  }
}
