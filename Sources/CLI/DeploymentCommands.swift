import ArgumentParser
import Documents
import Serving

struct DeploymentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "online-deployment",
    abstract: "One model version with its settings, behind an endpoint.",
    subcommands: [
      Create.self, Update.self, ShowDeployment<DeploymentSpecification>.self,
      ListDeployments<DeploymentSpecification>.self, DeleteDeployment<DeploymentSpecification>.self,
      GetLogs.self,
    ])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Create a deployment from YAML.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var endpoint: EndpointOption
    @Option(name: .shortAndLong, help: "The deployment's name; wins over the file's.")
    var name: String?
    @Option(name: .shortAndLong, help: "The deployment's YAML file.")
    var file: String
    @Flag(help: "Send all traffic to it once it is ready.") var allTraffic = false
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Do not wait until it is ready.") var noWait = false

    func run() throws {
      let deployments = try Deployments(client)
      let specification: DeploymentSpecification = try YAMLFile(
        file, name: name, assignments: assignments, extra: endpoint.members
      ).deployment()
      if allTraffic && noWait {
        throw ValidationError("--all-traffic waits until the deployment is ready: no --no-wait")
      }
      try output.print(
        try deployments.put(specification, isWaiting: !noWait, tellsNotices: true))
      if allTraffic {
        let path = EndpointSpecification.path(specification.endpointName)
        let body = try deployments.control.send("GET", path).body
        do {
          var changed = try EndpointSpecification(
            name: specification.endpointName, body: Document(body, source: path))
          changed.traffic = [specification.name.lowercased(): 100]
          _ = try deployments.control.send("PUT", path, body: changed.body)
        } catch let error as DocumentError {
          throw CommandFailure("\(error)")
        }
      }
    }
  }

  struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change a deployment: the old one serves until the new one is ready.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var endpoint: EndpointOption
    @Option(name: .shortAndLong) var name: String?
    @Option(name: .shortAndLong, help: "YAML that replaces the deployment's.")
    var file: String?
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Do not wait until it is ready.") var noWait = false

    func run() throws {
      let deployments = try Deployments(client)
      let (specification, sendsFiles) = try deployments.changed(
        name, endpoint, file: file, assignments)
      try output.print(
        try deployments.put(
          specification, isWaiting: !noWait, sendsFiles: sendsFiles, tellsNotices: file != nil))
    }
  }

  struct GetLogs: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "get-logs", abstract: "Print the last log lines of a deployment.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String
    @Option(name: .shortAndLong, help: "How many lines.") var lines = 50
    @Option(name: .shortAndLong, help: "Accepted for Azure's scripts; not used.")
    var container: String?

    func run() throws {
      let answer = try client.client().send(
        "POST", DeploymentSpecification.path(name, of: endpointName) + "/getLogs",
        body: ["tail": .integer(Int64(lines))])
      StandardOutput.write(ResourceViews.text(answer.body, "content") ?? "")
    }
  }
}

private typealias Deployments = DeploymentClient<DeploymentSpecification>
