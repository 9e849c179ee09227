import ArgumentParser
import Gateway
import Tensors

/// The command `swerve`: `serve` runs the gateway; everything else talks to a running one, or
/// works on files alone (`score`).
@main
struct App: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swerve",
    abstract: "Serve trained models over HTTP, split traffic between their versions.",
    version: Version.text,
    subcommands: [
      ServeCommand.self, ApplyCommand.self, PlanCommand.self, ModelCommand.self,
      EndpointCommand.self, DeploymentCommand.self, BatchEndpointCommand.self,
      BatchDeploymentCommand.self, JobCommand.self, DataCommand.self, ScheduleCommand.self,
      AdminKeyCommand.self,
      ClientKeyCommand.self, ScoreCommand.self,
      DoctorCommand.self, HealthCommand.self, RestartCommand.self, VersionCommand.self,
      SupportMatrixCommand.self,
    ])

  /// Exit status 0 done, 1 failed, 2 usage.
  static func main() {
    BLAS.useOneThread()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch let failure as CommandFailure {
      StandardError.write("swerve: \(failure.message)\n")
      endProcess(1)
    } catch {
      let status = exitCode(for: error)
      if status.isSuccess || error is CleanExit || error is ExitCode { App.exit(withError: error) }
      StandardError.write(fullMessage(for: error) + "\n")
      endProcess(2)
    }
  }
}

/// A command could not do what it was asked: one sentence for the person at the terminal.
struct CommandFailure: Error {
  var message: String
  /// Nobody has answered: with another try somebody may.
  var isUnanswered = false

  init(_ message: String) { self.message = message }
}
