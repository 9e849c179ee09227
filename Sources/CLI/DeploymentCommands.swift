import ArgumentParser
import Documents
import Gateway
import Serving

struct DeploymentCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "online-deployment",
    abstract: "One model version with its settings, behind an endpoint.",
    subcommands: [
      Create.self, Update.self, Show.self, List.self, Delete.self, GetLogs.self,
    ])

  /// `--endpoint-name`, `-e` and `--endpoint`, as `az ml` takes them.
  struct EndpointOption: ParsableArguments {
    @Option(name: [.customShort("e"), .long, .customLong("endpoint")])
    var endpointName: String?
  }

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
      let control = try client.client()
      let extra = endpoint.endpointName.map { [("endpoint_name", DocumentValue.string($0))] } ?? []
      let specification = try YAMLFile(
        file, name: name, assignments: assignments, extra: extra
      ).deployment()
      if allTraffic && noWait {
        throw ValidationError("--all-traffic waits until the deployment is ready: no --no-wait")
      }
      try output.print(try put(specification, with: control, waiting: !noWait))
      if allTraffic {
        let path = "onlineEndpoints/\(specification.endpointName.percentEncoded)"
        let body = try control.send("GET", path).body
        do {
          var changed = try ARM.endpoint(
            name: specification.endpointName, body: Document(body, source: path))
          changed.traffic = [specification.name.lowercased(): 100]
          _ = try control.send("PUT", path, body: ARM.body(of: changed))
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
      let control = try client.client()
      let specification: DeploymentSpecification
      var sendsFiles = true
      if let file {
        let extra = endpoint.endpointName.map { [("endpoint_name", DocumentValue.string($0))] }
        specification = try YAMLFile(
          file, name: name, assignments: assignments, extra: extra ?? []
        ).deployment()
      } else {
        guard let name, let endpointName = endpoint.endpointName else {
          throw ValidationError("give --name and --endpoint-name, or --file")
        }
        let path = deploymentPath(endpointName, name)
        let body = try control.send("GET", path).body
        do {
          let current = try ARM.deployment(
            name: name, endpoint: endpointName, body: Document(body, source: path))
          var yaml = current.yaml
          try apply(assignments, to: &yaml)
          specification = try DeploymentSpecification(
            yaml: Document(yaml, source: "deployment \(name)"), folder: LocalFile.absolute("."))
          sendsFiles = specification.model != current.model
        } catch let error as DocumentError {
          throw CommandFailure("\(error)")
        }
      }
      try output.print(
        try put(specification, with: control, waiting: !noWait, sendsFiles: sendsFiles))
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a deployment.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String

    func run() throws {
      let answer = try client.client().send("GET", deploymentPath(endpointName, name))
      try output.print(try ResourceViews.deployment(answer.body, endpoint: endpointName))
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List an endpoint's deployments.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String

    func run() throws {
      let answer = try client.client().send(
        "GET", "onlineEndpoints/\(endpointName.percentEncoded)/deployments")
      try output.print(
        .array(
          try ResourceViews.elements(answer.body).map {
            try ResourceViews.deployment($0, endpoint: endpointName)
          }))
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a deployment that takes no traffic.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: [.customShort("e"), .long, .customLong("endpoint")]) var endpointName: String
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false
    @Flag(help: "Do not wait until it is gone.") var noWait = false

    func run() throws {
      try confirm("Delete deployment '\(name)' of endpoint '\(endpointName)'?", yes: yes)
      let control = try client.client()
      let answer = try control.send("DELETE", deploymentPath(endpointName, name))
      if !noWait { try control.wait(for: answer) }
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
        "POST", deploymentPath(endpointName, name) + "/getLogs",
        body: ["tail": .integer(Int64(lines))])
      StandardOutput.write(ResourceViews.text(answer.body, "content") ?? "")
    }
  }
}

private func deploymentPath(_ endpoint: String, _ name: String) -> String {
  "onlineEndpoints/\(endpoint.percentEncoded)/deployments/\(name.percentEncoded)"
}

/// - Parameter sendsFiles: Whether a model in it lies on this machine; else the gateway has it.
private func put(
  _ specification: DeploymentSpecification, with control: ControlClient, waiting: Bool,
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
  let path = deploymentPath(specification.endpointName, specification.name)
  let answer = try control.send("PUT", path, body: ARM.body(of: specification))
  var body = answer.body
  if waiting {
    try control.wait(for: answer)
    body = try control.send("GET", path).body
  }
  return try ResourceViews.deployment(body, endpoint: specification.endpointName)
}
