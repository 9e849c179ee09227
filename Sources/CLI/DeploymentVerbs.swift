import ArgumentParser

// The verbs that do the same to deployments of both families; `DeploymentCommands` and
// `BatchDeploymentCommands` have those that do not.

struct ShowDeployment<Deployment: DeploymentResource>: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: "show", abstract: "Show a \(Deployment.noun).")
  }
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions
  @Option(name: .shortAndLong) var name: String
  @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String

  func run() throws {
    try output.print(try DeploymentClient<Deployment>(client).show(name, of: endpointName))
  }
}

struct ListDeployments<Deployment: DeploymentResource>: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "list",
      abstract: "List \(Deployment.Endpoint.nounWithArticle)'s deployments.")
  }
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions
  @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String

  func run() throws {
    try output.print(try DeploymentClient<Deployment>(client).list(of: endpointName))
  }
}

struct DeleteDeployment<Deployment: DeploymentResource>: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "delete", abstract: "Delete a \(Deployment.noun)\(Deployment.deletionNote).")
  }
  @OptionGroup var client: ClientOptions
  @Option(name: .shortAndLong) var name: String
  @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String
  @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false
  @Flag(help: "Do not wait until it is gone.") var noWait = false

  func run() throws {
    try confirm(
      "Delete deployment '\(name)' of \(Deployment.Endpoint.noun) '\(endpointName)'?", yes: yes)
    try DeploymentClient<Deployment>(client).delete(name, of: endpointName, isWaiting: !noWait)
  }
}
