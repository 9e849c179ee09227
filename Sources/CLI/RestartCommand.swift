import ArgumentParser
import Documents

struct RestartCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restart",
    abstract: "Put a new process in the gateway's place without losing a request.",
    discussion: """
      The new process is started as the gateway was, with the program that now lies at its path, \
      takes over the listening sockets and the workspace, loads everything, and answers; the old \
      one finishes what it has. When the new one cannot start, the old one goes on. The process's \
      number changes: where a supervisor or a container watches it, restart through that.
      """)
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions
  @Option(help: "The program to start. Default: what now lies at the gateway's own path.")
  var executable: String?
  @Option(help: "Seconds that loading may take. Default: 300.") var timeout: Int?

  func run() throws {
    var body = DocumentObject()
    body["executable"] = executable.map { .string(LocalFile.absolute($0)) }
    body["timeoutSeconds"] = timeout.map { .integer(Int64($0)) }
    let answer = try client.client().send("POST", "swerve/restart", body: .object(body)).body
    try output.print([
      "pid": ResourceViews.member(answer, "pid"),
      "previous_pid": ResourceViews.member(answer, "previousPid"),
    ])
  }
}
