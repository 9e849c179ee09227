import ArgumentParser
import Documents
import Gateway

struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Look for what is wrong with a workspace, its gateway running or not.",
    discussion: "Every finding is a line; exit status 1 when there is one, 0 when all is well.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    // From another machine only what the gateway says of itself can be seen.
    var report = Doctor.Report()
    if let url = client.remoteURL {
      report.isRunning = true
      report.facts = ["asking the gateway at \(url)"]
    } else {
      report = Doctor.examine(workspace: client.workspaceFolder)
    }
    var findings = report.findings
    for line in report.facts { StandardOutput.write("ok       \(line)\n") }
    if report.isRunning {
      do {
        let status = try client.client().send("GET", "swerve/status").body
        for deployment in ResourceViews.elements(status, named: "deployments") {
          let endpoint = ResourceViews.text(deployment, "endpoint") ?? "?"
          let name = "\(endpoint)/\(ResourceViews.text(deployment, "deployment") ?? "?")"
          let state = ResourceViews.text(deployment, "state") ?? "?"
          if state == "Failed" {
            findings.append(
              "deployment \(name) failed: \(ResourceViews.text(deployment, "reason") ?? "?")")
          } else {
            StandardOutput.write("ok       deployment \(name): \(state)\n")
          }
        }
      } catch {
        findings.append(error.message)
      }
    }
    for finding in findings { StandardOutput.write("finding  \(finding)\n") }
    if !findings.isEmpty { endProcess(1) }
  }
}

extension ResourceViews {
  static func elements(_ value: DocumentValue, named name: String) -> [DocumentValue] {
    if case .array(let elements) = member(value, name) { return elements }
    return []
  }
}
