import ArgumentParser
import Documents

struct ClientKeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "client-key",
    abstract: "Named keys of an endpoint's callers, each with a quota of its own.",
    subcommands: [Create.self, Update.self, List.self, Delete.self])

  struct Quota: ParsableArguments {
    @Option(help: "Requests a second in the long run. Default: no limit.")
    var requestsPerSecond: Double?
    @Option(help: "Requests that may come at once. Default: one second's.")
    var burst: Int?
    @Option(help: "Requests in flight. Default: no limit.")
    var maxConcurrentRequests: Int?
    @Option(help: "Bytes of bodies a second in the long run. Default: no limit.")
    var bodyBytesPerSecond: Int?

    static let names = [
      "requests_per_second", "burst", "max_concurrent_requests", "body_bytes_per_second",
    ]

    /// The limits that are named, over those of `quota`.
    func body(over quota: DocumentObject = DocumentObject()) -> DocumentObject {
      var body = quota
      if let requestsPerSecond { body["requests_per_second"] = .double(requestsPerSecond) }
      if let burst { body["burst"] = .integer(Int64(burst)) }
      if let count = maxConcurrentRequests {
        body["max_concurrent_requests"] = .integer(Int64(count))
      }
      if let count = bodyBytesPerSecond { body["body_bytes_per_second"] = .integer(Int64(count)) }
      return body
    }
  }

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a key and print it: this once, as only its hash is kept.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var quota: Quota
    @Option(name: .shortAndLong, help: "Whose key it is: in the log and in the metrics.")
    var name: String
    @Option(name: [.customShort("e"), .customLong("endpoint-name"), .customLong("endpoint")])
    var endpoint: String

    func run() throws {
      let path = ClientKeyCommand.path(endpoint, name)
      let control = try client.client()
      // PUT would change the quota of a key that is there.
      guard try control.send("GET", path, accepting: [404]).status == 404 else {
        throw CommandFailure(
          "endpoint '\(endpoint)' has a client key '\(name)' already; 'swerve client-key update' "
            + "changes its quota")
      }
      // An endpoint that does not exist is told by this one.
      try output.print(
        ClientKeyCommand.view(try control.send("PUT", path, body: .object(quota.body())).body))
    }
  }

  struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change limits of a key: those that are not named stay.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var quota: Quota
    @Option(help: "A limit to be lifted, such as burst; repeatable.") var remove: [String] = []
    @Option(name: .shortAndLong) var name: String
    @Option(name: [.customShort("e"), .customLong("endpoint-name"), .customLong("endpoint")])
    var endpoint: String

    func run() throws {
      let path = ClientKeyCommand.path(endpoint, name)
      let control = try client.client()
      var limits = DocumentObject()
      let known = ResourceViews.member(try control.send("GET", path).body, "quota")
      if case .object(let now) = known { limits = now }
      for limit in remove {
        let name = limit.replacing("-", with: "_")
        guard Quota.names.contains(name) else {
          throw CommandFailure(
            "--remove is '\(limit)'; expected one of \(Quota.names.joined(separator: ", "))")
        }
        limits[name] = nil
      }
      let body = DocumentValue.object(quota.body(over: limits))
      try output.print(ClientKeyCommand.view(try control.send("PUT", path, body: body).body))
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List an endpoint's client keys and their quotas.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: [.customShort("e"), .customLong("endpoint-name"), .customLong("endpoint")])
    var endpoint: String

    func run() throws {
      let answer = try client.client().send("GET", ClientKeyCommand.path(endpoint))
      try output.print(.array(ResourceViews.elements(answer.body).map(ClientKeyCommand.view)))
    }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a key: from the next request on it opens nothing.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: [.customShort("e"), .customLong("endpoint-name"), .customLong("endpoint")])
    var endpoint: String
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    func run() throws {
      try confirm("Delete client key '\(name)' of endpoint '\(endpoint)'?", yes: yes)
      _ = try client.client().send("DELETE", ClientKeyCommand.path(endpoint, name))
    }
  }

  private static func path(_ endpoint: String, _ name: String? = nil) -> String {
    let path = "onlineEndpoints/\(endpoint.percentEncoded)/clientKeys"
    return name.map { "\(path)/\($0.percentEncoded)" } ?? path
  }

  private static func view(_ body: DocumentValue) -> DocumentValue {
    var view = DocumentObject()
    for (name, member) in [
      ("name", "name"), ("key", "key"), ("endpoint_name", "endpoint"), ("quota", "quota"),
      ("created_at", "createdAt"), ("created_by", "createdBy"),
    ] {
      let value = ResourceViews.member(body, member)
      if value != .null { view[name] = value }
    }
    return .object(view)
  }
}
