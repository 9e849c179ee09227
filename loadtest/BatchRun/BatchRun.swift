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
      datastore: settings.workspace + "/store",
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
      let next = try service.wait(for: settings.name, after: job, seconds: 0.1)
      guard let next else { break }
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

  /// `VmHWM`. (`getrusage` begins with what the parent had when it forked.)
  private static var peakKilobytes: Int {
    guard let file = fopen("/proc/self/status", "r") else { return -1 }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let words = String(
        decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self
      )
      .split(whereSeparator: \.isWhitespace)
      if words.first == "VmHWM:", words.count > 1 { return Int(words[1]) ?? -1 }
    }
    return -1
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
      func number<Number: LosslessStringConvertible>(_ text: String) -> Number {
        guard let number = Number(text) else {
          end("\(option) is '\(text)'; expected a number", status: 2)
        }
        return number
      }
      guard let value = rest.popFirst() else { end("\(option) needs a value", status: 2) }
      switch option {
      case "--workspace": workspace = value
      case "--model": model = value
      case "--input": input = value
      case "--name": name = value
      case "--threads": threads = number(value)
      case "--rows": rows = number(value)
      case "--cancel-after": cancelAfter = number(value) * 1_000_000
      default: end("unknown option \(option)", status: 2)
      }
    }
  }
}

/// - Parameter status: 2 where the command line is wrong.
private func end(_ reason: String, status: Int32) -> Never {
  let line = Array("batch-run: \(reason)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(status)
}
