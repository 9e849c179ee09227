import HTTP
import Telemetry
import Testing

@testable import Gateway
@testable import Serving

#if canImport(Glibc)
  import Glibc
#endif

/// The repository's folder, from this file's own place in it.
let repository: String = {
  // Tests/GatewayTests/DataPlane/DataPlaneFixture.swift; the build may go through a link.
  var path = #filePath
  if let real = realpath(path, nil) {
    path = String(cString: real)
    free(real)
  }
  for _ in 0..<4 { path = path[..<(path.lastIndex(of: "/") ?? path.startIndex)].description }
  return path
}()

func fileText(_ path: String) throws -> String {
  String(decoding: try fileBytes(path, maxBytes: 64 << 20), as: UTF8.self)
}

/// The data plane over real HTTP on a free port, with models of the repository.
final class DataPlaneFixture {
  static let key = "swk_test_key"

  let metrics = MetricRegistry()
  let readiness = Readiness()
  let service: ScoringService
  let server: HTTPServer
  let logPath: String
  private let log: Log
  private let logDescriptor: Int32

  init(maxBodyBytes: Int = 64 << 20, defaultEndpoint: String? = nil) throws {
    logPath = "/tmp/swerve-test-\(getpid())-\(UInt64.random(in: 0 ... .max)).log"
    logDescriptor = open(logPath, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    log = Log(descriptor: logDescriptor)
    service = ScoringService(metrics: metrics, log: log, threads: 2)
    server = try HTTPServer(
      HTTPServerConfiguration(address: .tcp(host: "127.0.0.1", port: 0)),
      handler: DataPlaneHandler(
        DataPlaneHandler.Settings(
          maxBodyBytes: maxBodyBytes, defaultEndpoint: defaultEndpoint,
          allowsOpenEndpoints: true),
        service: service, readiness: readiness, metrics: metrics, log: log))
    readiness.becomeReady()
  }

  deinit {
    server.stop(deadline: MonotonicClock.system.now() + 2_000_000_000)
    service.stop()
    log.flush()
    close(logDescriptor)
    unlink(logPath)
  }

  func deployment(
    _ name: String, of endpoint: String, model: String,
    execution: DeploymentSpecification.Execution = .automatic,
    set: (inout DeploymentSpecification) -> Void = { _ in }
  ) throws -> LiveDeployment {
    var specification = DeploymentSpecification(name: name, endpointName: endpoint)
    specification.execution = execution
    set(&specification)
    return LiveDeployment(
      specification, generation: 7, modelName: endpoint, modelVersion: "1",
      model: try ModelLoader.load(path: repository + "/models/" + model), metrics: metrics,
      cost: CostEstimate(nanoseconds: 1000, bodyByteCount: 10_000))
  }

  /// `breast-cancer` with two versions by weight.
  func installBreastCancer(traffic: [String: Int], unavailable: [String: String] = [:]) throws {
    service.install(
      RoutingTable(endpoints: [
        EndpointRoute(
          name: "breast-cancer", split: TrafficSplit(traffic),
          deployments: [
            try deployment("blue", of: "breast-cancer", model: "breast-cancer/1/model.json"),
            try deployment("green", of: "breast-cancer", model: "breast-cancer/2/model.json"),
          ],
          unavailable: unavailable, keys: [Array(Self.key.utf8), Array("second".utf8)],
          isOpen: false)
      ]))
  }

  func client() -> HTTPClient {
    HTTPClient(.tcp(host: "127.0.0.1", port: server.port ?? 0), timeout: .seconds(20))
  }

  func post(
    _ body: String, to path: String = "/endpoints/breast-cancer/score",
    headers: [(name: String, value: String)] = [("Authorization", "Bearer \(key)")]
  ) throws -> HTTPClient.Response {
    try client().send(
      method: "POST", path: path, headers: headers + [("Content-Type", "application/json")],
      body: Array(body.utf8))
  }

  /// The log so far, line by line.
  func logLines() throws -> [String] {
    log.flush()
    return try fileText(logPath).split(separator: "\n").map(String.init)
  }
}

extension HTTPClient.Response {
  var text: String { String(decoding: body, as: UTF8.self) }
}

extension ScoringService {
  /// Whether the copies that wait are all scored within so many seconds.
  func mirrorsAreIdle(within seconds: Int) -> Bool {
    for _ in 0..<(seconds * 100) {
      if table.endpoints.values.allSatisfy({ $0.mirror?.lane.count ?? 0 == 0 }) { return true }
      usleep(10_000)
    }
    return false
  }
}
