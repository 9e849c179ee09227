import ArgumentParser
import Documents

struct ScheduleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schedule",
    abstract: "When batch endpoints begin jobs by themselves (swerve: schedule: in their YAML).",
    subcommands: [List.self, Show.self, Pause.self, Resume.self])

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the schedules.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let answer = try client.client().send("GET", "swerve/schedules")
      try output.print(.array(ResourceViews.elements(answer.body).map(ScheduleCommand.view)))
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a batch endpoint's schedule and its next run.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "The batch endpoint.") var name: String

    func run() throws {
      let answer = try client.client().send("GET", "swerve/schedules/\(name.percentEncoded)")
      try output.print(ScheduleCommand.view(answer.body))
    }
  }

  struct Pause: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Begin no jobs until 'resume'; what comes meanwhile is passed over.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "The batch endpoint.") var name: String

    func run() throws {
      let answer = try client.client().send(
        "POST", "swerve/schedules/\(name.percentEncoded)/pause")
      try output.print(ScheduleCommand.view(answer.body))
    }
  }

  struct Resume: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Go on with the next run.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "The batch endpoint.") var name: String

    func run() throws {
      let answer = try client.client().send(
        "POST", "swerve/schedules/\(name.percentEncoded)/resume")
      try output.print(ScheduleCommand.view(answer.body))
    }
  }

  private static func view(_ body: DocumentValue) -> DocumentValue {
    var view = DocumentObject()
    for (name, member) in [
      ("endpoint_name", "endpoint"), ("paused", "paused"), ("next_run", "nextRun"),
      ("last_job", "lastJob"), ("last_error", "lastError"), ("schedule", "schedule"),
    ] {
      let value = ResourceViews.member(body, member)
      if value != .null { view[name] = value }
    }
    return .object(view)
  }
}
