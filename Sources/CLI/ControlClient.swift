import ArgumentParser
import Documents
import Glibc
import HTTP

/// Where the gateway is: in a workspace on this machine, or at a URL. Azure's own names for a place
/// are accepted and mean nothing here.
struct ClientOptions: ParsableArguments {
  @Option(help: "The workspace of the gateway. Default: SWERVE_WORKSPACE, else ./workspace.")
  var workspace: String?

  @Option(
    help: """
      The admin address of a gateway on another machine: https://HOST:PORT. Default: SWERVE_URL. \
      The admin key comes from SWERVE_ADMIN_KEY or --admin-key-file.
      """)
  var url: String?

  @Option(help: "A file that holds the admin key, for --url.")
  var adminKeyFile: String?

  @Option(help: "The authority that signed the gateway's certificate, PEM. Default: the system's.")
  var caCert: String?

  @Option(name: [.customShort("g"), .long], help: "Accepted for Azure's scripts; not used.")
  var resourceGroup: String?

  @Option(name: [.customShort("w"), .long], help: "Accepted for Azure's scripts; not used.")
  var workspaceName: String?

  @Option(help: "Accepted for Azure's scripts; not used.")
  var subscription: String?

  func validate() throws {
    if url != nil && workspace != nil {
      throw ValidationError("give --url or --workspace, not both")
    }
  }

  var workspaceFolder: String {
    if let workspace { return LocalFile.absolute(workspace) }
    return LocalFile.absolute(defaultWorkspace())
  }

  /// The URL that is meant; nil for a workspace on this machine.
  var remoteURL: String? {
    if let url { return url }
    return workspace == nil ? environmentValue("SWERVE_URL") : nil
  }

  func client() throws(CommandFailure) -> ControlClient {
    guard let remoteURL else { return ControlClient(workspace: workspaceFolder) }
    return try ControlClient(RemoteGateway(remoteURL, keyFile: adminKeyFile, caFile: caCert))
  }
}

/// `SWERVE_WORKSPACE`, else `./workspace`.
func defaultWorkspace() -> String { environmentValue("SWERVE_WORKSPACE") ?? "./workspace" }

/// nil when it is not set, or empty.
func environmentValue(_ name: String) -> String? {
  guard let value = getenv(name), value.pointee != 0 else { return nil }
  return String(cString: value)
}

/// Talks Azure Resource Manager to a running gateway, over its admin socket or to its admin
/// address.
final class ControlClient {
  /// Any names do: one gateway is one workspace.
  static let workspacePath =
    "/subscriptions/local/resourceGroups/local/providers/"
    + "Microsoft.MachineLearningServices/workspaces/local"

  /// nil for the workspace's socket.
  let remote: RemoteGateway?
  private let socketPath: String
  private let http: HTTPClient

  init(workspace: String) {
    remote = nil
    socketPath = workspace + "/swerve.sock"
    http = HTTPClient(.unix(path: socketPath), timeout: .seconds(600))
  }

  init(_ remote: RemoteGateway) {
    self.remote = remote
    socketPath = ""
    http = HTTPClient(remote.address.target, timeout: .seconds(600))
  }

  struct Answer {
    var status: Int
    var body: DocumentValue
    var headers: [(name: String, value: String)]

    func header(_ name: String) -> String? {
      headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }
  }

  /// Sends one request. `path` is below the workspace unless it begins with a slash.
  ///
  /// - Throws: `CommandFailure` with the gateway's own sentence for any status that is no
  ///   success, unless `accepting` holds it.
  func send(
    _ method: String, _ path: String, headers: [(name: String, value: String)] = [],
    body: DocumentValue? = nil, accepting: Set<Int> = []
  ) throws(CommandFailure) -> Answer {
    try Self.answer(
      try sendRaw(method, path, headers: headers, body: body), accepting: accepting)
  }

  /// What `send` makes of a response.
  static func answer(
    _ response: HTTPClient.Response, accepting: Set<Int> = []
  ) throws(CommandFailure) -> Answer {
    let text = response.body
    var value = DocumentValue.null
    if !text.isEmpty {
      do {
        value = try JSONReader.read(text.span, source: "the gateway's answer")
      } catch {
        throw CommandFailure("\(error)")
      }
    }
    guard (200..<300).contains(response.status) || accepting.contains(response.status) else {
      throw CommandFailure(ControlClient.sentence(of: value, status: response.status))
    }
    return Answer(status: response.status, body: value, headers: response.headers)
  }

  /// The elements of a list, of all its pages.
  func list(_ path: String) throws(CommandFailure) -> [DocumentValue] {
    var elements: [DocumentValue] = []
    var next: String? = path
    while let page = next {
      let answer = try send("GET", page)
      elements += ResourceViews.elements(answer.body)
      next = ResourceViews.text(answer.body, "nextLink").map(ControlClient.path)
    }
    return elements
  }

  func sendRaw(
    _ method: String, _ path: String, headers: [(name: String, value: String)] = [],
    body: DocumentValue? = nil,
    receive: ((ArraySlice<UInt8>) -> Bool)? = nil
  ) throws(CommandFailure) -> HTTPClient.Response {
    var writer = JSONWriter()
    if let body { writer.document(body) }
    return try sendBytes(
      method, path, headers: headers + [("Content-Type", "application/json")],
      body: writer.bytes,
      receive: receive)
  }

  func sendBytes(
    _ method: String, _ path: String, headers: [(name: String, value: String)], body: [UInt8],
    receive: ((ArraySlice<UInt8>) -> Bool)? = nil
  ) throws(CommandFailure) -> HTTPClient.Response {
    var target = path.hasPrefix("/") ? path : ControlClient.workspacePath + "/" + path
    var headers = headers
    if let remote {
      target = remote.address.path + target
      headers.append(("Authorization", "Bearer \(remote.key)"))
    }
    do {
      return try http.send(
        method: method, path: target, headers: headers, body: body, receive: receive)
    } catch {
      var failure = CommandFailure(unreachable(error))
      failure.isUnanswered = true
      throw failure
    }
  }

  private func unreachable(_ error: HTTPClient.Failure) -> String {
    if let remote { return "no gateway answers at \(remote.url) (\(error))" }
    return "no gateway answers on \(socketPath) (\(error)); start one with 'swerve serve', or name "
      + "its workspace with --workspace or SWERVE_WORKSPACE, or its admin address with --url"
  }

  /// Waits for a long-running operation that an answer names, if any.
  func wait(for answer: Answer) throws(CommandFailure) {
    guard let location = answer.header("Azure-AsyncOperation") ?? answer.header("Location") else {
      return
    }
    let path = ControlClient.path(of: location)
    while true {
      let poll = try send("GET", path, accepting: [202])
      guard case .object(let operation) = poll.body, case .string(let status)? = operation["status"]
      else {
        if poll.status == 202 {
          usleep(50_000)
          continue
        }
        return
      }
      switch status {
      case "Succeeded": return
      case "Failed", "Canceled":
        throw CommandFailure(ControlClient.sentence(of: poll.body, status: 0))
      default: usleep(20_000)
      }
    }
  }

  /// Hides an asset's version, or all of its versions, from lists, or shows them again.
  func setArchived(_ isArchived: Bool, at path: String) throws(CommandFailure) {
    var body = try send("GET", path).body
    try DocumentPath("properties.isArchived").set(.bool(isArchived), in: &body)
    _ = try send("PUT", path, body: body)
  }

  private static func path(of location: String) -> String {
    guard let scheme = location.firstRange(of: "://") else { return location }
    let rest = location[scheme.upperBound...]
    guard let slash = rest.firstIndex(of: "/") else { return "/" }
    return String(rest[slash...])
  }

  /// The gateway's own sentence in an answer that is no success.
  static func sentence(of response: HTTPClient.Response) -> String {
    // What is no JSON comes from something in between: the status has to do.
    let value = try? JSONReader.read(response.body.span, source: "the gateway's answer")
    return sentence(of: value ?? .null, status: response.status)
  }

  /// Azure's error body as a sentence: the message, then each detail on a line of its own.
  static func sentence(of body: DocumentValue, status: Int) -> String {
    guard case .object(let whole) = body, case .object(let error)? = whole["error"] else {
      return "the gateway answered \(status)"
    }
    var text = "the gateway answered \(status)"
    if case .string(let message)? = error["message"] { text = message }
    if case .array(let details)? = error["details"] {
      for case .object(let detail) in details {
        if case .string(let message)? = detail["message"] { text += "\n  " + message }
      }
    }
    return text
  }
}

extension String {
  /// The name as one segment of a URL's path.
  var percentEncoded: String {
    var encoded = ""
    for byte in utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        encoded += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return encoded
  }
}
