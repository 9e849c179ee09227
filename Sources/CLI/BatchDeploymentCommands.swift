import ArgumentParser
import Documents
import Gateway
import Serving

struct BatchDeploymentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "batch-deployment",
    abstract: "A model version and how jobs score with it, behind a batch endpoint.",
    subcommands: [Create.self, Update.self, Show.self, List.self, Delete.self])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Create a batch deployment from YAML.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var endpoint: DeploymentCommand.EndpointOption
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
      let control = try client.client()
      let extra = endpoint.endpointName.map { [("endpoint_name", DocumentValue.string($0))] } ?? []
      let specification = try YAMLFile(
        file, name: name, assignments: assignments, extra: extra
      ).batchDeployment()
      let view = try put(specification, with: control)
      if setDefault {
        let path = "batchEndpoints/\(specification.endpointName.percentEncoded)"
        _ = try control.send(
          "PATCH", path,
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
    @OptionGroup var endpoint: DeploymentCommand.EndpointOption
    @Option(name: .shortAndLong) var name: String?
    @Option(name: .shortAndLong, help: "YAML that replaces the deployment's.")
    var file: String?
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Accepted for Azure's scripts: a change is in force when this returns.")
    var noWait = false

    func run() throws {
      let control = try client.client()
      let specification: BatchDeploymentSpecification
      var sendsFiles = true
      if let file {
        let extra = endpoint.endpointName.map { [("endpoint_name", DocumentValue.string($0))] }
        specification = try YAMLFile(
          file, name: name, assignments: assignments, extra: extra ?? []
        ).batchDeployment()
      } else {
        guard let name, let endpointName = endpoint.endpointName else {
          throw ValidationError("give --name and --endpoint-name, or --file")
        }
        let path = deploymentPath(endpointName, name)
        let body = try control.send("GET", path).body
        do {
          let current = try ARM.batchDeployment(
            name: name, endpoint: endpointName, body: Document(body, source: path))
          var yaml = current.yaml
          try apply(assignments, to: &yaml)
          specification = try BatchDeploymentSpecification(
            yaml: Document(yaml, source: "batch deployment \(name)"),
            folder: LocalFile.absolute("."))
          sendsFiles = specification.model != current.model
        } catch let error as DocumentError {
          throw CommandFailure("\(error)")
        }
      }
      try output.print(try put(specification, with: control, sendsFiles: sendsFiles))
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a batch deployment.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String

    func run() throws {
      let answer = try client.client().send("GET", deploymentPath(endpointName, name))
      try output.print(try ResourceViews.batchDeployment(answer.body, endpoint: endpointName))
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List a batch endpoint's deployments.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String

    func run() throws {
      let answer = try client.client().send(
        "GET", "batchEndpoints/\(endpointName.percentEncoded)/deployments")
      try output.print(
        .array(
          try ResourceViews.elements(answer.body).map {
            try ResourceViews.batchDeployment($0, endpoint: endpointName)
          }))
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a batch deployment; its jobs stay.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false
    @Flag(help: "Do not wait until it is gone.") var noWait = false

    func run() throws {
      try confirm(
        "Delete deployment '\(name)' of batch endpoint '\(endpointName)'?", yes: yes)
      let control = try client.client()
      let answer = try control.send("DELETE", deploymentPath(endpointName, name))
      if !noWait { try control.wait(for: answer) }
    }
  }
}

private func deploymentPath(_ endpoint: String, _ name: String) -> String {
  "batchEndpoints/\(endpoint.percentEncoded)/deployments/\(name.percentEncoded)"
}

/// - Parameter sendsFiles: Whether a model in it lies on this machine; else the gateway has it.
private func put(
  _ specification: BatchDeploymentSpecification, with control: ControlClient,
  sendsFiles: Bool = true
) throws(CommandFailure) -> DocumentValue {
  var specification = specification
  var upload: PackageUpload?
  if control.remote != nil, sendsFiles, case .inline(let package)? = specification.model {
    let sent = try PackageUpload([package], to: control)
    specification.model = .inline(sent.placed(package))
    upload = sent
  }
  // The gateway has registered it when it answers.
  defer { upload?.remove() }
  let answer = try control.send(
    "PUT", deploymentPath(specification.endpointName, specification.name),
    body: ARM.body(of: specification))
  return try ResourceViews.batchDeployment(answer.body, endpoint: specification.endpointName)
}
