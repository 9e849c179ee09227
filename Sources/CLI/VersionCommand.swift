import ArgumentParser
import Gateway

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version of this program.")

  func run() {
    StandardOutput.write("swerve \(Version.text)\n")
  }
}
