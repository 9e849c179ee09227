import BatchScoring
import Glibc
import Registry
import Serving
import Store
import Telemetry

/// Runs one batch job to its end, or goes on with it: the same command again after a kill.
///
/// `batch-run --workspace DIR --model FILE --input DIR --name NAME [--threads N] [--rows N]
/// [--cancel-after MS]`. Reads below the input, writes `DIR/store/NAME`. Prints the job's state
/// and what it counts as one line of JSON; exits 0 when it is completed.
@main struct BatchRun {
  static func main() {
    do {
      let status = try run(Settings(CommandLine.arguments))
      exit(status == .completed ? 0 : 1)
    } catch {
      print("batch-run: \(error)")
      exit(2)
    }
  }

  private static func run(_ settings: Settings) throws -> Job.Status {
    for folder in ["", "/store"] { mkdir(settings.workspace + folder, 0o755) }
    // As a gateway has it: a killed process may need a moment to end.
    let lock = try WorkspaceLock(workspace: settings.workspace)
    defer { lock.release() }
    let database = try Database(path: settings.workspace + "/swerve.db")
    defer { database.close() }
    let registry = try ModelRegistry(
      database: database, folder: settings.workspace + "/models", inspector: ModelInspector())
    _ = try registry.collectGarbage()
    if try registry.existing(name: "model", version: "1") == nil {
      _ = try registry.register(
        ModelRegistration(name: "model", version: "1", path: settings.model))
    }
    let service = JobService(
      database: database, registry: registry, workFolder: settings.workspace + "/jobs",
      metrics: MetricRegistry(), log: Log(level: .info))
    try service.start()
    defer { service.stop() }
    var order = JobOrder(
      name: settings.name, endpoint: "campaign", deployment: "blue", model: "model",
      modelVersion: "1",
      input: JobOrder.Input(root: settings.input, path: "", address: settings.input),
      output: JobOrder.Output(
        root: settings.workspace + "/store", folder: settings.name, address: settings.name),
      settings: BatchSettings(), actor: "batch-run")
    order.settings.maxConcurrencyPerInstance = settings.threads
    order.settings.miniBatchRows = settings.rows
    var job = try service.submit(order, requestIdentifier: settings.name)
    let start = MonotonicClock.system.now()
    while !job.status.isFinal {
      if let limit = settings.cancelAfter, MonotonicClock.system.now() - start > limit {
        try service.cancel(settings.name)
      }
      guard let next = service.wait(for: settings.name, after: job, seconds: 0.1) else { break }
      job = next
    }
    let seconds = Double(MonotonicClock.system.now() - start) / 1e9
    print(
      #"{"status":"\#(job.status.rawValue)","scored":\#(job.progress.scoredRows),"#
        + #""failed":\#(job.progress.failedRows),"seconds":\#(seconds),"peak_kb":\#(peakKilobytes)}"#
    )
    if let reason = job.reason { print(reason) }
    return job.status
  }

  private static var peakKilobytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss
  }
}

struct Settings {
  var workspace = ""
  var model = ""
  var input = ""
  var name = "job"
  var threads = 2
  /// Of a mini-batch.
  var rows = 65_536
  /// Nanoseconds.
  var cancelAfter: UInt64?

  init(_ arguments: [String]) {
    var rest = arguments.dropFirst()
    while let option = rest.popFirst() {
      guard let value = rest.popFirst() else { fatalError("\(option) needs a value") }
      switch option {
      case "--workspace": workspace = value
      case "--model": model = value
      case "--input": input = value
      case "--name": name = value
      case "--threads": threads = Int(value) ?? threads
      case "--rows": rows = Int(value) ?? rows
      case "--cancel-after": cancelAfter = UInt64(value).map { $0 * 1_000_000 }
      default: fatalError("unknown option \(option)")
      }
    }
  }
}
