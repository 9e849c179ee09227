import Documents
import Foundation
import HTTP
import Testing

@testable import Gateway

/// O20: every route with every kind of caller. The three `name(of:)` below are switches without a
/// `default`: a new route does not build until it has a name, and fails until it has a row.
@Suite(.serialized) struct AuthorizationMatrixTests {
  /// Who asks: nobody, a key of no one, another endpoint's key, the endpoint's own, an admin key; a
  /// client key of the endpoint, which may what its own may, and one of another.
  private static let callers = [
    "anonymous", "wrong", "other", "own", "admin", "client", "other client",
  ]

  private static func clientKey(
    of endpoint: String, _ gateway: GatewayProcess
  ) throws -> String {
    try gateway.swerve(
      "client-key", "create", "-e", endpoint, "-n", "c", "--query", "key", "-o", "tsv"
    ).output.trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private struct Row {
    var method: String
    var path: String
    /// One for each caller; the clients' are those of the endpoints' own keys.
    var statuses: [Int]
    var body = ""

    init(_ method: String, _ path: String, _ statuses: [Int], body: String = "") {
      let all = statuses + [statuses[3], statuses[2]]
      (self.method, self.path, self.statuses, self.body) = (method, path, all, body)
    }
  }

  private static let own = [401, 401, 401, 200, 401]
  private static let anyKey = [401, 401, 200, 200, 401]
  private static func anyKey(_ status: Int) -> [Int] { [401, 401, status, status, 401] }
  private static let anybody = [200, 200, 200, 200, 200]
  private static let adminOnly = [401, 401, 401, 401, 200]
  private static func nobody(_ status: Int) -> [Int] { Array(repeating: status, count: 5) }

  private static let sample = #"{"data": [[5.1, 3.5, 1.4, 0.2]]}"#
  private static let tensor =
    #"{"inputs":[{"name":"X","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}"#

  private static let dataPlane: [Row] = [
    Row("POST", "/endpoints/iris/score", own, body: sample),
    Row("POST", "/endpoints/iris/invocations", own, body: #"{"instances": [[1,2,3,4]]}"#),
    Row("POST", "/invocations", own, body: #"{"instances": [[1,2,3,4]]}"#),
    Row("GET", "/endpoints/iris/swagger.json", own),
    Row("GET", "/endpoints/iris/ping", anybody), Row("GET", "/ping", anybody),
    Row("GET", "/endpoints/iris/version", anybody), Row("GET", "/version", anybody),
    Row("GET", "/livez", anybody), Row("GET", "/readyz", anybody), Row("GET", "/metrics", anybody),
    Row("GET", "/", anybody), Row("GET", "/nothing", nobody(404)),
    Row("GET", "/v1/models/iris", own), Row("GET", "/v1/models/iris/metadata", own),
    Row("POST", "/v1/models/iris:predict", own, body: #"{"instances": [[1,2,3,4]]}"#),
    // Below /v2.
    Row("GET", "/v2", anybody), Row("GET", "/v2/health/live", anybody),
    Row("GET", "/v2/health/ready", anybody), Row("GET", "/v2/models", anyKey),
    Row("GET", "/v2/models/iris", own), Row("GET", "/v2/models/iris/config", own),
    Row("GET", "/v2/models/iris/ready", own), Row("GET", "/v2/models/iris/stats", own),
    Row("POST", "/v2/models/iris/infer", own, body: tensor),
    Row("GET", "/endpoints/iris/v2/models/iris", own),
    Row("POST", "/endpoints/iris/v2/models/iris/infer", own, body: tensor),
    Row("GET", "/v2/models/stats", anyKey), Row("POST", "/v2/repository/index", anyKey),
    Row("POST", "/v2/repository/models/iris/load", adminOnly),
    Row("POST", "/v2/repository/models/iris/unload", adminOnly),
    Row("GET", "/v2/systemsharedmemory/status", nobody(501)),
    Row("GET", "/v2/nothing", nobody(404)),
    // Keys of online endpoints open no batch endpoint; its own key: `BatchDataPlaneTests`.
    Row("GET", "/batch-endpoints/diabetes-batch/jobs", adminOnly),
    Row("GET", "/batch-endpoints/diabetes-batch/jobs/x", [401, 401, 401, 401, 404]),
    Row("POST", "/batch-endpoints/diabetes-batch/jobs", [401, 401, 401, 401, 400], body: "{}"),
    // Whoever has no key learns no names; who has one learns that this is none.
    Row("POST", "/endpoints/nobody/score", anyKey(404), body: sample),
    Row("POST", "/endpoints/nobody/invocations", anyKey(404), body: sample),
    Row("GET", "/endpoints/nobody/swagger.json", anyKey(404)),
    Row("GET", "/endpoints/nobody/v2/models/nobody", anyKey(404)),
    Row("GET", "/v1/models/nobody", anyKey(404)),
    Row("GET", "/v2/models/nobody", anyKey(400)),
  ]

  private static func name(of route: DataPlaneRoute) -> String {
    switch route {
    case .score: "score"
    case .invocations: "invocations"
    case .swagger: "swagger"
    case .inference: "inference"
    case .predict: "predict"
    case .ping: "ping"
    case .version: "version"
    case .jobs: "jobs"
    case .livez: "livez"
    case .readyz: "readyz"
    case .metrics: "metrics"
    case .root: "root"
    case .unknown: "unknown"
    }
  }

  private static func name(of route: InferenceRoute) -> String {
    switch route {
    case .server: "v2 server"
    case .live: "v2 live"
    case .ready: "v2 ready"
    case .models: "v2 models"
    case .model(_, _, .metadata): "v2 metadata"
    case .model(_, _, .ready): "v2 model ready"
    case .model(_, _, .infer): "v2 infer"
    case .model(_, _, .config): "v2 config"
    case .model(_, _, .statistics): "v2 model statistics"
    case .statistics: "v2 statistics"
    case .index: "v2 index"
    case .load: "v2 load"
    case .unload: "v2 unload"
    case .notServed: "v2 not served"
    case .unknown: "v2 unknown"
    }
  }

  private static let names: Set = [
    "score", "invocations", "swagger", "inference", "predict", "ping", "version", "jobs", "livez",
    "readyz", "metrics", "root", "unknown", "v2 server", "v2 live", "v2 ready", "v2 models",
    "v2 metadata", "v2 model ready", "v2 infer", "v2 config", "v2 model statistics",
    "v2 statistics", "v2 index", "v2 load", "v2 unload", "v2 not served", "v2 unknown",
  ]

  @Test func `O20 · each route of the scoring address answers only who may`() throws {
    let gateway = try GatewayProcess(arguments: [
      "--apply", GatewayProcess.models.path, "--default-endpoint", "iris", "--model-control",
      "explicit", "--max-key-failures", "0",
    ])
    let made = try gateway.swerve("admin-key", "create", "-n", "a", "--query", "key", "-o", "tsv")
    let keys: [String?] = [
      nil, "wrong", try gateway.key(of: "breast-cancer"), try gateway.key(of: "iris"),
      made.output.trimmingCharacters(in: .whitespacesAndNewlines),
      try Self.clientKey(of: "iris", gateway), try Self.clientKey(of: "breast-cancer", gateway),
    ]
    var seen: Set<String> = []
    var calls = 0
    for row in Self.dataPlane {
      let route = DataPlaneRoute(path: Array(row.path.utf8).span)
      seen.insert(Self.name(of: route))
      if case .inference(_, let segments) = route {
        let parts = row.path.split(separator: "/").map(String.init)
        seen.insert(Self.name(of: InferenceRoute(segments: parts.dropFirst(segments))))
      }
      for (index, key) in keys.enumerated() {
        let response = try gateway.client().send(
          method: row.method, path: row.path,
          headers: key.map { [("Authorization", "Bearer \($0)")] } ?? [],
          body: Array(row.body.utf8))
        calls += 1
        let text = String(decoding: response.body, as: UTF8.self)
        #expect(
          response.status == row.statuses[index],
          "\(row.method) \(row.path) as \(Self.callers[index]): \(text.prefix(300))")
        // A list shows what the key opens and nothing else.
        if row.statuses.starts(with: Self.anyKey), Self.callers[index].hasPrefix("other") {
          #expect(!text.contains("iris"), "\(row.path): \(text)")
        }
      }
      // The rows behind it want the model.
      if row.path.hasSuffix("unload") {
        _ = try gateway.client().send(
          method: "POST", path: "/v2/repository/models/iris/load",
          headers: [("Authorization", "Bearer \(keys[4] ?? "")")])
      }
    }
    #expect(seen == Self.names, "routes without a row: \(Self.names.subtracting(seen))")
    print("O20: \(Self.dataPlane.count) rows of the scoring address × 7 callers, \(calls) calls")
    #expect(gateway.terminate() == 0)
  }

  private static let workspace =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"

  /// Paths behind the workspace's, one for each admin route.
  private static let adminPaths = [
    "", "/onlineEndpoints", "/onlineEndpoints/iris", "/onlineEndpoints/iris/listKeys",
    "/onlineEndpoints/iris/clientKeys", "/onlineEndpoints/iris/clientKeys/c", "/swerve/restart",
    "/onlineEndpoints/iris/deployments", "/onlineEndpoints/iris/deployments/blue",
    "/onlineEndpoints/iris/deployments/blue/getLogs", "/models", "/models/iris",
    "/models/iris/versions", "/models/iris/versions/1",
    "/models/iris/versions/1/package/model.yml", "/apply", "/swerve/status", "/swerve/adminKeys",
    "/swerve/adminKeys/a", "/swerve/uploads", "/swerve/uploads/x", "/swerve/uploads/x/commit",
    "/swerve/uploads/x/files/0/blocks/0", "/metrics",
    "/batchEndpoints", "/batchEndpoints/diabetes-batch",
    "/batchEndpoints/diabetes-batch/listKeys", "/batchEndpoints/diabetes-batch/deployments",
    "/batchEndpoints/diabetes-batch/deployments/lightgbm", "/batchEndpoints/diabetes-batch/jobs",
    "/batchEndpoints/diabetes-batch/jobs/x", "/jobs", "/jobs/x", "/jobs/x/cancel",
    "/jobs/x/outputs/score", "/jobs/x/outputs/score/files/y", "/data", "/data/x",
    "/data/x/versions", "/data/x/versions/1", "/operations/x", "/operations/x/result",
  ]

  private static func name(of route: ARMRoute) -> String {
    switch route {
    case .workspace: "workspace"
    case .endpoints: "endpoints"
    case .endpoint: "endpoint"
    case .endpointAction: "endpointAction"
    case .clientKeys: "clientKeys"
    case .clientKey: "clientKey"
    case .restart: "restart"
    case .batch(let route): name(of: route)
    case .deployments: "deployments"
    case .deployment: "deployment"
    case .deploymentAction: "deploymentAction"
    case .models: "models"
    case .model: "model"
    case .versions: "versions"
    case .version: "version"
    case .packageFile: "packageFile"
    case .apply: "apply"
    case .status: "status"
    case .adminKeys: "adminKeys"
    case .adminKey: "adminKey"
    case .uploads: "uploads"
    case .upload: "upload"
    case .uploadCommit: "uploadCommit"
    case .uploadBlock: "uploadBlock"
    case .metrics: "metrics"
    case .operation: "operation"
    case .operationResult: "operationResult"
    }
  }

  private static func name(of route: BatchRoute) -> String {
    switch route {
    case .endpoints: "batch endpoints"
    case .endpoint: "batch endpoint"
    case .endpointAction: "batch endpointAction"
    case .deployments: "batch deployments"
    case .deployment: "batch deployment"
    case .endpointJobs: "endpoint jobs"
    case .endpointJob: "endpoint job"
    case .jobs: "jobs"
    case .job: "job"
    case .cancel: "cancel"
    case .outputs: "outputs"
    case .outputFile: "outputFile"
    case .assets: "assets"
    case .asset: "asset"
    case .assetVersions: "assetVersions"
    case .assetVersion: "assetVersion"
    }
  }

  private static let adminNames: Set = [
    "batch endpoints", "batch endpoint", "batch endpointAction", "batch deployments",
    "batch deployment", "endpoint jobs", "endpoint job", "jobs", "job", "cancel", "outputs",
    "outputFile", "assets", "asset", "assetVersions", "assetVersion",
    "workspace", "endpoints", "endpoint", "endpointAction", "clientKeys", "clientKey", "restart",
    "deployments", "deployment",
    "deploymentAction", "models", "model", "versions", "version", "packageFile", "apply", "status",
    "adminKeys", "adminKey", "uploads", "upload", "uploadCommit", "uploadBlock", "metrics",
    "operation",
    "operationResult",
  ]

  @Test func `O20 · each admin route wants an admin key, and keys want the socket`() throws {
    let gateway = try GatewayProcess(arguments: [
      "--apply", GatewayProcess.models.path, "--admin-listen", "127.0.0.1:0",
      "--max-key-failures", "0",
    ])
    guard case .object(let ready) = try JSONReader.read(gateway.readyLine, source: "ready"),
      case .string(let address)? = ready["admin_address"],
      let port = address.split(separator: ":").last.flatMap({ UInt16($0) })
    else { throw GatewayProcess.StartFailure(description: gateway.readyLine) }
    let made = try gateway.swerve("admin-key", "create", "-n", "a", "--query", "key", "-o", "tsv")
    let admin = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    let keys: [String?] = [
      nil, "wrong", try gateway.key(of: "breast-cancer"), try gateway.key(of: "iris"), admin,
      try Self.clientKey(of: "iris", gateway), try Self.clientKey(of: "breast-cancer", gateway),
    ]
    var seen: Set<String> = []
    var calls = 0
    for tail in Self.adminPaths {
      let isAtRoot = tail.hasPrefix("/operations") || tail == "/metrics"
      let path = isAtRoot ? tail : Self.workspace + tail
      let segments = path.split(separator: "/").map(String.init)
      guard let (route, _) = ARMRoute.parse(segments) else {
        Issue.record("\(path) is no route")
        continue
      }
      seen.insert(Self.name(of: route))
      // Reading methods only: what an admin key may change, it changes.
      for method in ["GET", "DELETE", "PUT", "POST", "PATCH"] {
        for (index, key) in keys.enumerated() {
          let isAdmin = Self.callers[index] == "admin"
          if isAdmin, method != "GET" { continue }
          let response = try HTTPClient(.tcp(host: "127.0.0.1", port: port)).send(
            method: method, path: path + "?api-version=2024-10-01",
            headers: key.map { [("Authorization", "Bearer \($0)")] } ?? [])
          calls += 1
          let place = "\(method) \(path) as \(Self.callers[index])"
          if !isAdmin {
            #expect(response.status == 401, "\(place)")
          } else if route.isForOwner {
            #expect(response.status == 403, "\(place)")
          } else {
            #expect(![401, 403].contains(response.status) && response.status < 500, "\(place)")
          }
        }
      }
    }
    #expect(seen == Self.adminNames, "routes without a row: \(Self.adminNames.subtracting(seen))")
    // The scoring address knows nothing of all this.
    let there = try gateway.client().send(
      method: "GET", path: Self.workspace, headers: [("Authorization", "Bearer \(admin)")])
    #expect(there.status == 404)
    print("O20: \(Self.adminPaths.count) admin routes × 7 callers, \(calls) calls")
    #expect(gateway.terminate() == 0)
  }
}
