import Digest
import Documents
import Executors
import Foundation
import HTTP
import Registry
import Store
import Telemetry
import TestFolders

@testable import Gateway
@testable import Serving

/// The admin API over a real socket and over TCP, with models of `models/`.
final class AdminBench {
  static let workspace =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"

  private let home = TemporaryFolder(for: "admin")
  let database: Database
  let registry: ModelRegistry
  let service: ScoringService
  let control: ControlPlane
  let adminKeys: AdminKeys
  let uploads: UploadStore
  let jobs = FakeJobs()
  let desk: JobDesk
  let server: HTTPServer
  let remoteServer: HTTPServer
  let client: HTTPClient
  let log: Log
  private let logDescriptor: Int32

  init() throws {
    let folder = home.path
    try FileManager.default.createDirectory(
      atPath: folder + "/models", withIntermediateDirectories: true)
    database = try Database(path: folder + "/swerve.db")
    registry = try ModelRegistry(
      database: database, folder: folder + "/models", inspector: ModelInspector())
    let metrics = MetricRegistry()
    logDescriptor = open(folder + "/log", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    log = Log(descriptor: logDescriptor)
    service = ScoringService(metrics: metrics, log: log, threads: 1)
    control = ControlPlane(
      database: database, registry: registry, service: service,
      sealer: Sealer(secret: [UInt8](repeating: 1, count: 32)), metrics: metrics, log: log,
      keysFolder: nil
    ) { (specification, generation, version, package) throws(DeploymentFailure) in
      // The model itself, without the warm-up: that has tests of its own.
      do throws(ModelFormatError) {
        return LiveDeployment(
          specification, generation: generation, modelName: version.name,
          modelVersion: version.version,
          model: try ModelLoader.load(
            path: package + "/" + version.artifact, type: version.type,
            properties: version.properties),
          metrics: metrics, cost: CostEstimate(nanoseconds: 1000, bodyByteCount: 100))
      } catch {
        throw DeploymentFailure(code: "BadArgument", message: "\(error)")
      }
    }
    try control.start()
    adminKeys = try AdminKeys(database: database)
    uploads = try UploadStore(folder: folder + "/uploads", maxBytes: 100 << 20)
    let datastore = folder + "/datastores/workspaceblobstore"
    try FileManager.default.createDirectory(
      atPath: datastore, withIntermediateDirectories: true)
    desk = JobDesk(control: control, jobs: jobs, datastore: datastore)
    let handler = AdminHandler(
      control: control, registry: registry, adminKeys: adminKeys, uploads: uploads, desk: desk,
      status: { ["version": "test"] }, scoringAddress: { "http://127.0.0.1:1" }, log: log)
    server = try HTTPServer(
      HTTPServerConfiguration(address: .unix(path: folder + "/swerve.sock")), handler: handler)
    remoteServer = try HTTPServer(
      HTTPServerConfiguration(address: .tcp(host: "127.0.0.1", port: 0)), handler: handler)
    client = HTTPClient(.unix(path: folder + "/swerve.sock"))
  }

  deinit {
    remoteServer.stop(deadline: MonotonicClock.system.now() + 1_000_000_000)
    server.stop(deadline: MonotonicClock.system.now() + 1_000_000_000)
    control.stop()
    service.stop()
    database.close()
    log.flush()
    close(logDescriptor)
  }

  var folder: String { home.path }

  /// Sends over the socket, or over TCP with `key`.
  func send(
    _ method: String, _ path: String, _ body: DocumentValue? = nil, key: String? = nil,
    headers: [(name: String, value: String)] = []
  ) throws -> (status: Int, body: DocumentValue, response: HTTPClient.Response) {
    var bytes: [UInt8] = []
    if let body {
      var writer = JSONWriter()
      writer.document(body)
      bytes = writer.bytes
    }
    let response =
      if let key {
        try remote.send(
          method: method, path: path, headers: headers + [("Authorization", "Bearer \(key)")],
          body: bytes)
      } else {
        try client.send(method: method, path: path, headers: headers, body: bytes)
      }
    let value: DocumentValue =
      response.body.isEmpty
      ? .null
      : (try? JSONReader.read(String(decoding: response.body, as: UTF8.self), source: path))
        ?? .null
    return (response.status, value, response)
  }

  var remote: HTTPClient { HTTPClient(.tcp(host: "127.0.0.1", port: remoteServer.port ?? 0)) }

  func logText() throws -> String {
    log.flush()
    return try String(contentsOfFile: folder + "/log", encoding: .utf8)
  }

  static func samples() throws -> [ApplyDocument] {
    try ApplyDocument.read(repository + "/models")
  }
}
