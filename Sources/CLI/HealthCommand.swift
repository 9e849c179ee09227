import ArgumentParser
import Documents

struct HealthCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "health",
    abstract: "Exit 0 when the gateway of this workspace is ready: a health check without curl.")
  @OptionGroup var client: ClientOptions

  func run() throws {
    let status = try client.client().send("GET", "swerve/status").body
    guard case .bool(true) = ResourceViews.member(status, "ready") else {
      throw CommandFailure("the gateway is not ready")
    }
    StandardOutput.write("ready\n")
  }
}
