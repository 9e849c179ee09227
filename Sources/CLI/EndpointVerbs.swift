import ArgumentParser

// The verbs that do the same to endpoints of both families; `EndpointCommands` and
// `BatchEndpointCommands` have those that do not.

struct ShowEndpoint<Endpoint: EndpointResource>: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: "show", abstract: "Show \(Endpoint.nounWithArticle).")
  }
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions
  @Option(name: .shortAndLong) var name: String

  func run() throws {
    try output.print(try EndpointClient<Endpoint>(client).show(name))
  }
}

struct ListEndpoints<Endpoint: EndpointResource>: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: "list", abstract: "List the \(Endpoint.noun)s.")
  }
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions

  func run() throws {
    try output.print(try EndpointClient<Endpoint>(client).list())
  }
}

struct DeleteEndpoint<Endpoint: EndpointResource>: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "delete",
      abstract: "Delete \(Endpoint.nounWithArticle) with its deployments\(Endpoint.deletionNote).")
  }
  @OptionGroup var client: ClientOptions
  @Option(name: .shortAndLong) var name: String
  @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false
  @Flag(help: "Do not wait until it is gone.") var noWait = false

  func run() throws {
    try confirm("Delete \(Endpoint.noun) '\(name)' and its deployments?", yes: yes)
    try EndpointClient<Endpoint>(client).delete(name, isWaiting: !noWait)
  }
}

struct GetEndpointCredentials<Endpoint: EndpointResource>: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "get-credentials", abstract: "Print \(Endpoint.nounWithArticle)'s keys.")
  }
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions
  @Option(name: .shortAndLong) var name: String

  func run() throws {
    try output.print(try EndpointClient<Endpoint>(client).keys(of: name))
  }
}

struct RegenerateEndpointKeys<Endpoint: EndpointResource>: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "regenerate-keys",
      abstract: "Replace one of \(Endpoint.nounWithArticle)'s two keys.")
  }
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions
  @Option(name: .shortAndLong) var name: String
  @Option(help: "primary or secondary.") var keyType = KeyKind.primary
  @Flag(help: "Do not wait.") var noWait = false

  func run() throws {
    try output.print(
      try EndpointClient<Endpoint>(client).regenerateKey(keyType, of: name, isWaiting: !noWait))
  }
}
