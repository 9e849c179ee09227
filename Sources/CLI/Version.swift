import ArgumentParser

/// What this program is.
enum Version {
  static let text = "0.1.0"
}

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Print the version of this program.")

  func run() {
    StandardOutput.write("swerve \(Version.text)\n")
  }
}
