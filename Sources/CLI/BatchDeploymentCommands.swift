import ArgumentParser
import Documents
import Serving

struct BatchDeploymentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "batch-deployment",
    abstract: "A model version and how jobs score with it, behind a batch endpoint.",
    subcommands: [
      Create.self, Update.self, ShowDeployment<BatchDeploymentSpecification>.self,
      ListDeployments<BatchDeploymentSpecification>.self,
      DeleteDeployment<BatchDeploymentSpecification>.self,
    ])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create a batch deployment from YAML.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var endpoint: EndpointOption
    @Option(name: .shortAndLong, help: "The deployment's name; wins over the file's.")
    var name: String?
    @Option(name: .shortAndLong, help: "The deployment's YAML file.")
    var file: String
    @Flag(help: "Jobs that name no deployment go to it.") var setDefault = false
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Accepted for Azure's scripts: a deployment is made when this returns.")
    var noWait = false

    func run() throws {
      let deployments = try Deployments(client)
      let specification: BatchDeploymentSpecification = try YAMLFile(
        file, name: name, assignments: assignments, extra: endpoint.members
      ).deployment()
      let view = try deployments.put(specification)
      if setDefault {
        _ = try deployments.control.send(
          "PATCH", BatchEndpointSpecification.path(specification.endpointName),
          body: ["properties": ["defaults": ["deploymentName": .string(specification.name)]]])
      }
      try output.print(view)
    }
  }

  struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change a batch deployment: for jobs that begin from then on.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var endpoint: EndpointOption
    @Option(name: .shortAndLong) var name: String?
    @Option(name: .shortAndLong, help: "YAML that replaces the deployment's.")
    var file: String?
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Accepted for Azure's scripts: a change is in force when this returns.")
    var noWait = false

    func run() throws {
      let deployments = try Deployments(client)
      let (specification, sendsFiles) = try deployments.changed(
        name, endpoint, file: file, assignments)
      try output.print(try deployments.put(specification, sendsFiles: sendsFiles))
    }
  }
}

private typealias Deployments = DeploymentClient<BatchDeploymentSpecification>
