import Digest
import Documents
import Executors
import Foundation
import Registry
import Store
import Synchronization
import Telemetry
import TestFolders

@testable import Serving

/// A control plane over a workspace in a temporary folder, with fake models: a model file's
/// text is what it answers; the text `broken` fails to load.
final class ControlBench: @unchecked Sendable {
  private let home = TemporaryFolder(for: "control")
  let loadCount: Counts
  private(set) var database: Database
  private(set) var registry: ModelRegistry
  private(set) var service: ScoringService
  private(set) var control: ControlPlane
  private(set) var metrics: MetricRegistry
  let actor = Actor(name: "test")

  final class Counts: Sendable {
    let loads = Atomic(0)
    /// While true, loads wait.
    let gate = Monitor(false)
    /// What is told to need a model.
    let jobs = Mutex<[String]>([])
    func hold() { gate.withLock { $0 = true } }
    func release() {
      gate.withLock { $0 = false }
      gate.broadcast()
    }
  }

  init(keysFolder: String? = nil) throws {
    let folder = home.path
    try FileManager.default.createDirectory(
      atPath: folder + "/models", withIntermediateDirectories: true)
    loadCount = Counts()
    (database, registry, service, control, metrics) = try Self.open(folder, loadCount, keysFolder)
    try control.start()
  }

  deinit {
    control.stop()
    service.stop()
    database.close()
  }

  var folder: String { home.path }

  /// What a restart does: everything again from the disk.
  func restart(keysFolder: String? = nil) throws {
    control.stop()
    service.stop()
    database.close()
    (database, registry, service, control, metrics) = try Self.open(folder, loadCount, keysFolder)
    try control.start()
  }

  private static func open(
    _ folder: String, _ counts: Counts, _ keysFolder: String?
  ) throws -> (Database, ModelRegistry, ScoringService, ControlPlane, MetricRegistry) {
    let database = try Database(path: folder + "/swerve.db")
    let registry = try ModelRegistry(
      database: database, folder: folder + "/models", inspector: NoInspector())
    let metrics = MetricRegistry()
    let log = Log(descriptor: 2, level: .error)
    let service = ScoringService(metrics: metrics, log: log, threads: 1)
    let findJobs: ControlPlane.FindJobs = { (_, _, _) throws(StoreError) in
      counts.jobs.withLock { $0 }
    }
    let control = ControlPlane(
      database: database, registry: registry, service: service,
      sealer: Sealer(secret: [UInt8](repeating: 7, count: 32)), metrics: metrics, log: log,
      keysFolder: keysFolder,
      checkBatch: Self.checkBatch,
      findJobs: findJobs
    ) { (specification, generation, model, package) throws(DeploymentFailure) in
      let _: Void? = counts.gate.wait { $0 ? nil : () }
      counts.loads.add(1, ordering: .relaxed)
      guard let text = try? String(contentsOfFile: package + "/" + model.artifact, encoding: .utf8),
        let value = Float(text)
      else {
        throw DeploymentFailure(code: "BadArgument", message: "the model is broken")
      }
      return LiveDeployment(
        specification, generation: generation, modelName: model.name,
        modelVersion: model.version,
        model: LoadedModel(executor: FakeExecutor(value: value), format: "fake"),
        metrics: metrics, cost: CostEstimate(nanoseconds: 1000, bodyByteCount: 100))
    }
    return (database, registry, service, control, metrics)
  }

  private static let checkBatch: ControlPlane.CheckBatch = {
    (_, model, package) throws(DeploymentFailure) in
    let text = try? String(contentsOfFile: package + "/" + model.artifact, encoding: .utf8)
    guard text != "broken" else {
      throw DeploymentFailure(code: "BadArgument", message: "the batch model is broken")
    }
  }

  /// Makes every later transaction that writes to the table fail.
  func failWrites(of table: String) throws {
    for verb in ["INSERT", "UPDATE"] {
      try execute(
        "CREATE TRIGGER fail_\(verb)_\(table) BEFORE \(verb) ON \(table) "
          + "BEGIN SELECT RAISE(ABORT, 'the test forbids it'); END")
    }
  }

  func allowWrites(of table: String) throws {
    for verb in ["INSERT", "UPDATE"] { try execute("DROP TRIGGER fail_\(verb)_\(table)") }
  }

  func execute(_ sql: String) throws {
    try database.write { (transaction) throws(StoreError) in try transaction.execute(sql, []) }
  }

  // MARK: Shorthands

  @discardableResult
  func file(_ name: String, _ text: String) throws -> String {
    let path = folder + "/source/" + name
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  func document(_ name: String, _ text: String) -> ApplyDocument {
    ApplyDocument(path: folder + "/source/" + name, text: text)
  }

  @discardableResult
  func apply(
    _ documents: [ApplyDocument], prune: Bool = false, dryRun: Bool = false,
    unit: ControlPlane.ApplyUnit = .everything
  ) throws -> ApplyReport {
    try control.apply(documents, prune: prune, dryRun: dryRun, unit: unit, by: actor)
  }

  func endpoint(_ name: String = "churn", traffic: String = "") -> ApplyDocument {
    document(
      "\(name).yml",
      """
      $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
      name: \(name)
      auth_mode: key
      traffic: {\(traffic)}
      """)
  }

  /// A deployment with a model of its own that answers `answer`.
  func deployment(
    _ name: String, of endpoint: String = "churn", answer: String, tag: String = "a"
  ) throws -> ApplyDocument {
    try file("\(endpoint)-\(name)/\(answer).txt", answer)
    return document(
      "\(endpoint)-\(name).yml",
      """
      $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
      name: \(name)
      endpoint_name: \(endpoint)
      tags: {tag: \(tag)}
      model:
        path: \(endpoint)-\(name)/\(answer).txt
      """)
  }

  /// What a deployment in force answers; nil when it has none.
  func answer(_ name: String, of endpoint: String = "churn") -> Float? {
    let live = service.table.endpoints[endpoint]?.deployments[name]
    return (live?.model.executor as? FakeExecutor)?.value
  }

  func wait(_ operation: OperationRecord) throws -> OperationRecord {
    for _ in 0..<2000 {
      let record = try control.operation(operation.id)
      if record.status != "InProgress" { return record }
      usleep(5000)
    }
    return try control.operation(operation.id)
  }

  func specification(
    _ name: String, answer: String, tag: String = "a"
  ) throws -> DeploymentSpecification {
    let document = try deployment(name, answer: answer, tag: tag)
    let value = try YAMLReader.read(document.text, source: document.path)
    return try DeploymentSpecification(
      yaml: Document(value, source: document.path), folder: document.folder)
  }
}

struct NoInspector: PackageInspector {
  func inspect(
    package: String, artifact: String, type: String
  ) throws(RegistryError) -> DocumentValue { ["format": "fake"] }
}
