import Foundation
import Testing

@testable import Serving

@Suite struct DeploymentLogsTests {
  private let logs = DeploymentLogs { 1_700_000_000_250 }
  private let blue = DeploymentKey(endpoint: "Churn", name: "Blue")

  @Test func `the last lines come, oldest first`() {
    for number in 0..<(DeploymentLogs.maxLines + 5) { logs.append(blue, .info, "line \(number)") }
    let all = logs.text(endpoint: "churn", deployment: "BLUE", lines: .max)
    #expect(all.split(separator: "\n").count == DeploymentLogs.maxLines)
    #expect(all.hasPrefix("2023-11-14T22:13:20.250Z INFO line 5\n"))
    #expect(
      logs.text(endpoint: "churn", deployment: "blue", lines: 2)
        == "2023-11-14T22:13:20.250Z INFO line 1003\n2023-11-14T22:13:20.250Z INFO line 1004\n")
    #expect(logs.text(endpoint: "churn", deployment: "blue", lines: 0) == "")
    #expect(logs.text(endpoint: "churn", deployment: "green", lines: 9) == "")
  }

  @Test func `a line stays one line, of a bounded length`() {
    logs.append(blue, .error, "a\nb\r\u{1B}[31m\u{85}c")
    logs.append(blue, .info, String(repeating: "ü", count: 5000))
    let lines = logs.text(endpoint: "churn", deployment: "blue", lines: 9).split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].hasSuffix("ERROR a b  [31m c"))
    #expect(lines[1].utf8.count < DeploymentLogs.maxLineBytes + 64)
  }

  @Test func `requests make no log for a deployment that nobody has loaded`() {
    logs.appendRequest(endpoint: "churn", deployment: "blue", .error, "early")
    logs.append(blue, .info, "loading")
    logs.appendRequest(endpoint: "churn", deployment: "blue", .error, "late")
    let text = logs.text(endpoint: "churn", deployment: "blue", lines: 9)
    #expect(text.contains("late") && !text.contains("early"))
    logs.forget(blue)
    #expect(logs.text(endpoint: "churn", deployment: "blue", lines: 9) == "")
  }

  @Test func `a deployment's load, its failures and its end are noted`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([bench.endpoint(), bench.deployment("blue", answer: "1")])
    let logs = bench.control.deploymentLogs
    let name = bench.endpointName
    #expect(logs.text(endpoint: name, deployment: "blue", lines: 9).contains("INFO ready: "))
    let accepted = try bench.control.putDeployment(
      try bench.specification("blue", answer: "broken"), by: bench.actor)
    _ = try bench.wait(accepted.operation)
    let text = logs.text(endpoint: name, deployment: "blue", lines: 99)
    #expect(text.contains("update accepted from test"))
    #expect(text.contains("ERROR failed: BadArgument: the model is broken"))
    _ = try bench.control.deleteDeployment("blue", of: name, by: bench.actor)
    #expect(logs.text(endpoint: name, deployment: "blue", lines: 99) == "")
  }
}

extension ControlBench {
  fileprivate var endpointName: String { "churn" }
}
