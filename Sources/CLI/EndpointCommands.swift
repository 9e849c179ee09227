import ArgumentParser
import Documents
import HTTP
import Serving

struct EndpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "online-endpoint",
    abstract: "The stable names that clients call.",
    subcommands: [
      Create.self, Update.self, ShowEndpoint<EndpointSpecification>.self,
      ListEndpoints<EndpointSpecification>.self, DeleteEndpoint<EndpointSpecification>.self,
      Invoke.self, GetEndpointCredentials<EndpointSpecification>.self,
      RegenerateEndpointKeys<EndpointSpecification>.self,
    ])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Create an endpoint from YAML.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "The endpoint's name; wins over the file's.")
    var name: String?
    @Option(name: .shortAndLong, help: "The endpoint's YAML file.")
    var file: String?
    @Option(help: "key, aml_token or aad_token.")
    var authMode: String?
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Accepted for Azure's scripts: an endpoint is made at once.")
    var noWait = false

    func run() throws {
      let specification: EndpointSpecification = try YAMLFile(
        file, name: name, assignments: assignments,
        extra: authMode.map {
          [("auth_mode", .string($0))]
        } ?? []
      ).endpoint()
      try output.print(try Endpoints(client).put(specification, tellsNotices: true))
    }
  }

  struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change an endpoint: its traffic, tags, description.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String?
    @Option(name: .shortAndLong, help: "YAML that replaces the endpoint's.")
    var file: String?
    @Option(name: .shortAndLong, parsing: .upToNextOption, help: "blue=90 green=10")
    var traffic: [String] = []
    @Option(name: .shortAndLong, parsing: .upToNextOption, help: "green=10")
    var mirrorTraffic: [String] = []
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Accepted for Azure's scripts: a change is in force when this returns.")
    var noWait = false

    func run() throws {
      let endpoints = try Endpoints(client)
      var specification: EndpointSpecification
      if let file {
        specification = try YAMLFile(file, name: name, assignments: assignments).endpoint()
      } else {
        guard let name else { throw ValidationError("give --name, or --file with a name in it") }
        specification = try endpoints.changed(name, assignments)
      }
      if !traffic.isEmpty {
        specification.traffic = try percentages(traffic, flag: "--traffic")
      }
      if !mirrorTraffic.isEmpty {
        specification.mirrorTraffic = try percentages(mirrorTraffic, flag: "--mirror-traffic")
      }
      try output.print(try endpoints.put(specification, tellsNotices: file != nil))
    }
  }

  struct Invoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Send a request to an endpoint and print its answer.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong, help: "The file that holds the request's body.")
    var requestFile: String
    @Option(name: .shortAndLong, help: "Score with this deployment, whatever the traffic says.")
    var deploymentName: String?

    func run() throws {
      let control = try client.client()
      let path = EndpointSpecification.path(name)
      let endpoint = try control.send("GET", path).body
      guard case .string(let uri) = ResourceViews.property(endpoint, "scoringUri") else {
        throw CommandFailure("endpoint '\(name)' has no scoring URI")
      }
      let keys = try control.send("POST", path + "/listKeys").body
      var headers = [(name: "Content-Type", value: "application/json")]
      if let key = ResourceViews.text(keys, "primaryKey") {
        headers.append(("Authorization", "Bearer \(key)"))
      }
      if let deploymentName { headers.append(("azureml-model-deployment", deploymentName)) }
      let target = try URLAddress(uri, caFile: control.remote?.caFile ?? client.caCert)
      let body = try LocalFile.read(requestFile)
      let response: HTTPClient.Response
      do {
        response = try HTTPClient(target.target).send(
          method: "POST", path: target.path, headers: headers, body: body)
      } catch {
        throw CommandFailure("\(error)")
      }
      guard response.status == 200 else {
        throw CommandFailure(
          "\(uri) answered \(response.status): \(String(decoding: response.body, as: UTF8.self))")
      }
      StandardOutput.write(response.body)
      StandardOutput.write("\n")
    }
  }
}

private typealias Endpoints = EndpointClient<EndpointSpecification>

/// `blue=90 green=10`, in one argument or in several.
func percentages(_ arguments: [String], flag: String) throws(CommandFailure) -> [String: Int] {
  var traffic: [String: Int] = [:]
  let parts = arguments.flatMap { $0.split { $0 == " " || $0 == "," } }
  for part in parts {
    let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
    guard pair.count == 2, let percent = Int(pair[1]) else {
      throw CommandFailure("\(flag) takes NAME=PERCENT; '\(part)' is none")
    }
    traffic[pair[0].lowercased()] = percent
  }
  return traffic
}

/// Asks on the terminal; where there is none, `--yes` must be given.
func confirm(_ question: String, yes: Bool) throws(CommandFailure) {
  if yes { return }
  StandardError.write(question + " [y/N] ")
  guard let line = readLine(), ["y", "yes"].contains(line.lowercased()) else {
    throw CommandFailure("not done; --yes does it without asking")
  }
}
