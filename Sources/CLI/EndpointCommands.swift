import ArgumentParser
import Documents
import Gateway
import HTTP
import Serving

struct EndpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "online-endpoint",
    abstract: "The stable names that clients call.",
    subcommands: [
      Create.self, Update.self, Show.self, List.self, Delete.self, Invoke.self,
      GetCredentials.self, RegenerateKeys.self,
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
      let document = try YAMLFile(
        file, name: name, assignments: assignments,
        extra: authMode.map {
          [("auth_mode", .string($0))]
        } ?? [])
      let specification = try document.endpoint()
      let answer = try client.client().send(
        "PUT", "onlineEndpoints/\(specification.name.percentEncoded)",
        body: ARM.body(of: specification))
      try output.print(try ResourceViews.endpoint(answer.body))
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
      let control = try client.client()
      var specification: EndpointSpecification
      if let file {
        specification = try YAMLFile(file, name: name, assignments: assignments).endpoint()
      } else {
        guard let name else { throw ValidationError("give --name, or --file with a name in it") }
        let current = try control.send("GET", "onlineEndpoints/\(name.percentEncoded)").body
        do {
          let existing = try ARM.endpoint(
            name: name, body: Document(current, source: "endpoint \(name)"))
          var yaml = existing.yaml
          try apply(assignments, to: &yaml)
          specification = try EndpointSpecification(
            yaml: Document(yaml, source: "endpoint \(name)"))
        } catch let error as DocumentError {
          throw CommandFailure("\(error)")
        }
      }
      if !traffic.isEmpty {
        specification.traffic = try percentages(traffic, flag: "--traffic")
      }
      if !mirrorTraffic.isEmpty {
        specification.mirrorTraffic = try percentages(mirrorTraffic, flag: "--mirror-traffic")
      }
      let answer = try control.send(
        "PUT", "onlineEndpoints/\(specification.name.percentEncoded)",
        body: ARM.body(of: specification))
      try output.print(try ResourceViews.endpoint(answer.body))
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show an endpoint.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String

    func run() throws {
      let answer = try client.client().send("GET", "onlineEndpoints/\(name.percentEncoded)")
      try output.print(try ResourceViews.endpoint(answer.body))
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the endpoints.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions

    func run() throws {
      let answer = try client.client().send("GET", "onlineEndpoints")
      try output.print(
        .array(try ResourceViews.elements(answer.body).map { try ResourceViews.endpoint($0) }))
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete an endpoint with its deployments.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false
    @Flag(help: "Do not wait until it is gone.") var noWait = false

    func run() throws {
      try confirm("Delete endpoint '\(name)' and its deployments?", yes: yes)
      let control = try client.client()
      let answer = try control.send("DELETE", "onlineEndpoints/\(name.percentEncoded)")
      if !noWait { try control.wait(for: answer) }
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
      let path = "onlineEndpoints/\(name.percentEncoded)"
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

  struct GetCredentials: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "get-credentials", abstract: "Print an endpoint's keys.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String

    func run() throws {
      let answer = try client.client().send(
        "POST", "onlineEndpoints/\(name.percentEncoded)/listKeys")
      try output.print(answer.body)
    }
  }

  struct RegenerateKeys: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "regenerate-keys", abstract: "Replace one of an endpoint's two keys.")
    enum Kind: String, ExpressibleByArgument, CaseIterable { case primary, secondary }
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(help: "primary or secondary.") var keyType = Kind.primary
    @Flag(help: "Do not wait.") var noWait = false

    func run() throws {
      let control = try client.client()
      let path = "onlineEndpoints/\(name.percentEncoded)"
      let kind = keyType == .primary ? "Primary" : "Secondary"
      let answer = try control.send(
        "POST", path + "/regenerateKeys", body: ["keyType": .string(kind)])
      if !noWait { try control.wait(for: answer) }
      try output.print(try control.send("POST", path + "/listKeys").body)
    }
  }
}

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
