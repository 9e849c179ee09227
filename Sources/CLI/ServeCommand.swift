import ArgumentParser
import Documents
import Gateway

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Run the gateway.",
    discussion: """
      Logs are JSON lines on standard error. Standard output gets one line when everything that \
      the workspace names is loaded: {"message":"ready","address":"http://127.0.0.1:8080"}.
      SIGTERM and SIGINT drain; SIGHUP applies --apply again.
      """)

  @Option(help: "A YAML file of these settings, by their long names; flags win.")
  var config: String?
  @Option(
    help: "Everything this gateway owns on disk. Default: SWERVE_WORKSPACE, else ./workspace.")
  var workspace: String?
  @Option(help: "The address to listen on. Default: 127.0.0.1.") var host: String?
  @Option(help: "The port; 0 picks a free one. Default: 8080.") var port: UInt16?
  @Option(help: "NAME=PATH: register this model file or folder and serve it. Repeatable.")
  var model: [String] = []
  @Option(
    name: .customLong("apply"), help: "A file or folder of YAML: applied at start and on SIGHUP.")
  var applyPath: String?
  @Option(
    help: "HOST:PORT of the admin API over TCP, for --url with an admin key. Default: socket only.")
  var adminListen: String?
  @Option(help: "The server's certificate chain, PEM.") var tlsCert: String?
  @Option(help: "Its private key, PEM.") var tlsKey: String?
  @Flag(help: "Something in front ends TLS: allow plain HTTP off loopback.")
  var tlsUpstream = false
  @Option(help: "The scoring address that callers use, where something stands in front.")
  var publicUrl: String?
  @Option(help: "A folder with ENDPOINT/primary and ENDPOINT/secondary: keys from files.")
  var keysDir: String?
  @Option(help: "Largest request body in bytes. Default: 67108864.") var maxBodyBytes: Int?
  @Option(help: "Bytes of all bodies held at once; beyond them 503. Default: 1073741824.")
  var maxBodyBytesInFlight: Int?
  @Option(help: "Bytes of all packages being uploaded together. Default: 4294967296.")
  var maxUploadBytes: Int?
  @Option(help: "Connections beyond this get 503. Default: 10000.") var maxConnections: Int?
  @Option(help: "Wrong keys a minute from one address before it gets 429; 0: any. Default: 20.")
  var maxKeyFailures: Int?
  @Option(help: "Seconds in which new connections are still accepted after SIGTERM. Default: 0.")
  var drainDelay: Int?
  @Option(help: "Seconds that requests in flight get after that. Default: 30.")
  var drainTimeout: Int?
  @Option(help: "debug, info, warning or error. Default: info.") var logLevel: String?
  @Option(help: "HTTP threads, and as many that run what waits. Default: the CPU quota.")
  var threads: Int?
  @Option(help: "The endpoint of /invocations at the root. Default: the only one there is.")
  var defaultEndpoint: String?
  @Option(help: "The name that /v2 gives this server. Default: swerve.") var serverName: String?
  @Option(
    name: .customLong("v2-queue-full-status"),
    help: "What /v2 answers where a queue is full: 503 as Triton does, or 429. Default: 503.")
  var queueFullStatus: Int?
  @Option(
    help: "none, or explicit: an admin key may load and unload models at /v2. Default: none.")
  var modelControl: ModelControlMode?

  func run() throws {
    let server: GatewayServer
    do {
      server = try start()
      try server.reportReady()
    } catch {
      let failure = (error as? CommandFailure) ?? CommandFailure("\(error)")
      GatewayServer.reportFailure(failure.message)
      throw failure
    }
    printReady(server)
    endProcess(server.run())
  }

  private func start() throws -> GatewayServer {
    let configuration = try resolved()
    let faults = configuration.faults()
    guard faults.isEmpty else {
      throw CommandFailure(faults.joined(separator: "\nswerve: "))
    }
    do {
      return try GatewayServer(configuration)
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  private func printReady(_ server: GatewayServer) {
    var ready = DocumentObject(["message": "ready", "address": .string(server.address)])
    ready["admin_address"] = server.adminAddress.map { .string($0) }
    if !server.quickModels.isEmpty {
      ready["scoring_uris"] = .array(
        server.quickModels.map { .string("\(server.scoringAddress)/endpoints/\($0)/score") })
    }
    var line = JSONWriter()
    line.document(.object(ready))
    StandardOutput.write(line.bytes + [UInt8(ascii: "\n")])
  }

  /// The settings file first, then the flags.
  private func resolved() throws(CommandFailure) -> GatewayConfiguration {
    var configuration = GatewayConfiguration()
    configuration.workspace = LocalFile.absolute(defaultWorkspace())
    if let config { try SettingsFile.read(config, into: &configuration) }
    if let workspace { configuration.workspace = LocalFile.absolute(workspace) }
    if let host { configuration.host = host }
    if let port { configuration.port = port }
    for assignment in model {
      configuration.quickModels.append(try QuickModelArgument.parse(assignment))
    }
    if let applyPath { configuration.applyPath = LocalFile.absolute(applyPath) }
    if let adminListen { configuration.adminAddress = adminListen }
    if let tlsCert { configuration.tlsCertificatePath = LocalFile.absolute(tlsCert) }
    if let tlsKey { configuration.tlsKeyPath = LocalFile.absolute(tlsKey) }
    if tlsUpstream { configuration.isTLSUpstream = true }
    if let publicUrl { configuration.publicURL = publicUrl }
    if let keysDir { configuration.keysFolder = LocalFile.absolute(keysDir) }
    if let maxBodyBytes { configuration.maxBodyBytes = maxBodyBytes }
    if let maxBodyBytesInFlight { configuration.maxBodyBytesInFlight = maxBodyBytesInFlight }
    if let maxUploadBytes { configuration.maxUploadBytes = maxUploadBytes }
    if let maxConnections { configuration.maxConnections = maxConnections }
    if let maxKeyFailures { configuration.maxKeyFailures = maxKeyFailures }
    if let drainDelay { configuration.drainDelay = .seconds(drainDelay) }
    if let drainTimeout { configuration.drainTimeout = .seconds(drainTimeout) }
    if let logLevel { configuration.logLevel = logLevel }
    if let threads { configuration.threads = threads }
    if let defaultEndpoint { configuration.defaultEndpoint = defaultEndpoint }
    if let serverName { configuration.serverName = serverName }
    if let queueFullStatus { configuration.queueFullStatus = queueFullStatus }
    if let modelControl { configuration.allowsModelControl = modelControl == .explicit }
    return configuration
  }
}

/// `churn=path/to/model.json`.
enum QuickModelArgument {
  static func parse(_ text: String) throws(CommandFailure) -> (name: String, path: String) {
    let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
    guard parts.count == 2, !parts[1].isEmpty else {
      throw CommandFailure("--model takes NAME=PATH; '\(text)' is none")
    }
    return (parts[0], LocalFile.absolute(parts[1]))
  }
}

/// `--model-control`.
enum ModelControlMode: String, ExpressibleByArgument {
  case none, explicit
}
