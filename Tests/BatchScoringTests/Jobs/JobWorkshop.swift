import Digest
import Documents
import Glibc
import Registry
import Serving
import Store
import Synchronization
import Telemetry
import TestFolders
import TestTimes
import Testing

@testable import BatchScoring

/// A workspace with one model for one test: folder `data` to read from, `store` to write to.
final class JobWorkshop: Sendable {
  let path: String
  private let ownFolder = TemporaryFolder(for: "jobs")
  let database: Database
  let registry: ModelRegistry
  let metrics = MetricRegistry()
  let log: Log

  /// - Parameter folder: An empty one to use; nil: a new one, removed in the end.
  init(
    on folder: String? = nil,
    log: Log = Log(descriptor: open("/dev/null", O_WRONLY), level: .error)
  ) throws {
    self.log = log
    path = folder ?? ownFolder.path
    for folder in ["data", "store", "source"] { mkdir(path + "/" + folder, 0o755) }
    database = try Database(path: path + "/swerve.db")
    registry = try ModelRegistry(
      database: database, folder: path + "/models", inspector: ModelInspector())
    let file = path + "/source/model.txt"
    try DurableFile.write(Array(Self.modelText.utf8), to: file)
    _ = try registry.register(
      ModelRegistration(name: "steps", version: "1", path: file))
  }

  /// Of two columns: 1.5 for small `a` and `b`, 3.125 for small `a` alone, 2.25 else.
  private static let modelText = {
    let tree = """
      Tree=0
      num_leaves=3
      num_cat=0
      split_feature=0 1
      split_gain=2 1
      threshold=50 50
      decision_type=2 2
      left_child=1 -1
      right_child=-2 -3
      leaf_value=1.5 2.25 3.125
      leaf_weight=1 1 1
      leaf_count=1 1 1
      internal_value=0 0
      internal_weight=3 2
      internal_count=3 2
      is_linear=0
      shrinkage=1


      """
    return """
      tree
      version=v4
      num_class=1
      num_tree_per_iteration=1
      label_index=0
      max_feature_idx=1
      objective=regression
      feature_names=a b
      feature_infos=[0:100] [0:100]
      tree_sizes=\(tree.utf8.count)

      \(tree)
      end of trees

      """
  }()

  /// Another model than `steps`.
  func register(_ name: String, _ onnx: [UInt8]) throws {
    let file = path + "/source/\(name).onnx"
    try DurableFile.write(onnx, to: file)
    _ = try registry.register(ModelRegistration(name: name, version: "1", path: file))
  }

  // MARK: Jobs

  func service(_ change: (inout JobOptions) -> Void = { _ in }) -> JobService {
    JobService(surroundings(change))
  }

  func surroundings(_ change: (inout JobOptions) -> Void = { _ in }) -> JobSurroundings {
    var surroundings = JobSurroundings(
      store: JobStore(database: database), registry: registry, workFolder: path + "/work",
      datastore: path + "/store",
      metrics: JobMetrics(metrics), log: log)
    surroundings.options.yieldsToOthers = false
    surroundings.options.roomInterval = 5_000_000
    surroundings.options.reportInterval = 0
    change(&surroundings.options)
    return surroundings
  }

  func order(
    _ name: String = "job", input: String = "", glob: String? = nil, threads: Int = 2,
    _ change: (inout BatchSettings) -> Void = { _ in }
  ) -> JobOrder {
    var settings = BatchSettings()
    settings.maxConcurrencyPerInstance = threads
    change(&settings)
    return JobOrder(
      name: name, endpoint: "ep", deployment: "blue", model: "steps", modelVersion: "1",
      input: JobOrder.Input(
        root: path + "/data", path: input, address: "data/\(input)", glob: glob),
      output: JobOrder.Output(
        root: path + "/store", folder: "azureml/\(name)/score", address: "store/\(name)"),
      settings: settings, actor: "test")
  }

  /// Runs it to its end.
  @discardableResult
  func run(
    _ order: JobOrder, _ change: (inout JobOptions) -> Void = { _ in }
  ) throws -> Job {
    let service = service(change)
    try service.start()
    defer { service.stop() }
    _ = try service.submit(order, requestIdentifier: nil)
    return try ending(of: order.name, service)
  }

  /// Runs it up to a step, counted from 1, at which the process ends as far as the job knows.
  func crash(
    _ order: JobOrder, at place: Int, _ change: (inout JobOptions) -> Void = { _ in }
  ) throws {
    let crash = StepTrap(at: place, lasting: true) { () throws(BatchError) in
      throw .interrupted(.crash)
    }
    let service = service {
      change(&$0)
      $0.steps = crash.steps
    }
    try service.start()
    defer { service.stop() }
    _ = try service.submit(order, requestIdentifier: nil)
    while !crash.wasHit, try service.job(order.name)?.status.isFinal == false {
      pause(milliseconds: 2)
    }
  }

  /// Small blocks, each of them committed.
  static func commitOften(_ options: inout JobOptions) {
    options.maxBlockBytes = 100
    options.commits = CommitPolicy(maxMiniBatches: 1, minInterval: 0, maxInterval: 0)
  }

  func ending(of name: String, _ service: JobService, seconds: Double = 60) throws -> Job {
    try state(of: name, service, seconds: seconds) { $0.status.isFinal }
  }

  /// Waits until the job is so.
  @discardableResult
  func state(
    of name: String, _ service: JobService, seconds: Double = 60, _ condition: (Job) -> Bool
  ) throws -> Job {
    let deadline = MonotonicClock.system.now() + UInt64(seconds * 1e9)
    var job = try #require(try service.job(name))
    while !condition(job) {
      try #require(MonotonicClock.system.now() < deadline, "\(job)")
      job = try #require(try service.wait(for: name, after: job, seconds: 1))
    }
    return job
  }

  // MARK: The database

  var store: JobStore { JobStore(database: database) }

  func execute(_ sql: String) throws {
    try database.write { (transaction) throws(StoreError) in try transaction.execute(sql, []) }
  }

  /// The first column of the only row.
  func number(_ sql: String) throws -> Int64 {
    try database.read { (transaction) throws(StoreError) in
      try transaction.query("SELECT (\(sql)) AS number", []).first?.integer("number") ?? -1
    }
  }

  // MARK: Files

  func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  func write(_ name: String, _ bytes: [UInt8]) throws {
    let file = path + "/data/" + name
    try DurableFile.makeDirectory(DurableFile.parent(of: file))
    try DurableFile.write(bytes, to: file)
  }

  /// Rows of `a,b`, of which some cannot be read.
  static func rows(_ range: Range<Int>, badEvery: Int = 0) -> String {
    var text = "a,b\n"
    for row in range {
      text +=
        badEvery > 0 && row % badEvery == badEvery - 1
        ? "\(row % 97),bad\(row)\n" : "\(row % 97),\(Double(row % 89) + 0.5)\n"
    }
    return text
  }

  func output(_ job: String = "job", _ file: String = "predictions.csv") -> [UInt8]? {
    let folder = path + "/store/azureml/\(job)/score"
    guard let root = try? ContainedFolder(folder) else { return nil }
    return try? root.read(file, maxBytes: 1 << 30)
  }

  func text(_ job: String = "job", _ file: String = "predictions.csv") -> String? {
    output(job, file).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The list of rows that failed, of a job that failed.
  func failedRows(_ job: String = "job") -> String? {
    guard let root = try? ContainedFolder(path + "/store/.swerve/failed-rows/\(job)") else {
      return nil
    }
    return (try? root.read("errors.jsonl", maxBytes: 1 << 30))
      .map { String(decoding: $0, as: UTF8.self) }
  }

  /// What unfinished work has left behind.
  var leftovers: [String] {
    var names = (try? FolderTree.entries(path + "/work"))?.map(\.name) ?? []
    names += ((try? FolderTree.entries(path + "/store"))?.map(\.name) ?? [])
      .filter { $0.hasPrefix(".") && $0 != FailedRows.reserved }
    return names
  }
}

/// Counts the steps of jobs and does something at one of them.
final class StepTrap: Sendable {
  private let state = Mutex((count: 0, hits: 0))
  private let place: Int
  private let lasting: Bool
  private let act: @Sendable () throws(BatchError) -> Void

  /// - Parameters:
  ///   - place: At the step of this number, counted from 1.
  ///   - lasting: And at all behind it.
  init(
    at place: Int, lasting: Bool = false, _ act: @escaping @Sendable () throws(BatchError) -> Void
  ) {
    self.place = place
    self.lasting = lasting
    self.act = act
  }

  var steps: JobSteps {
    { [self] (_) throws(BatchError) in
      let isHit = state.withLock { state in
        state.count += 1
        let isHit = lasting ? state.count >= place : state.count == place
        if isHit { state.hits += 1 }
        return isHit
      }
      if isHit { try act() }
    }
  }

  var wasHit: Bool { state.withLock { $0.hits > 0 } }
}
