import ArgumentParser
import Documents

struct AdminKeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "admin-key",
    abstract: "Keys that let other machines use --url. Managed on the gateway's own machine.",
    subcommands: [Create.self, List.self, Delete.self])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a key and print it: this once, as only its hash is kept.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "Whose key it is; the log names it with each change.")
    var name: String

    func run() throws {
      let answer = try client.client().send("PUT", "swerve/adminKeys/\(name.percentEncoded)")
      try output.print(AdminKeyCommand.view(answer.body))
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the keys' names.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let answer = try client.client().send("GET", "swerve/adminKeys")
      try output.print(.array(ResourceViews.elements(answer.body).map(AdminKeyCommand.view)))
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a key: from the next request on it opens nothing.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    func run() throws {
      try confirm("Delete admin key '\(name)'?", yes: yes)
      _ = try client.client().send("DELETE", "swerve/adminKeys/\(name.percentEncoded)")
    }
  }

  private static func view(_ body: DocumentValue) -> DocumentValue {
    var view = DocumentObject()
    for (name, member) in [
      ("name", "name"), ("key", "key"), ("created_at", "createdAt"), ("created_by", "createdBy"),
    ] {
      let value = ResourceViews.member(body, member)
      if value != .null { view[name] = value }
    }
    return .object(view)
  }
}
