internal import Executors
internal import Glibc
internal import Telemetry

/// How long the model may work at a time. One thread's.
///
/// `retry_settings`: the rows of a block have so many seconds together, and as many more for each
/// further try. What the thread waits for a CPU is not counted: others come first, and no row is to
/// blame for that.
final class ScoringPace {
  /// Nanoseconds for the rows of a block, in one try; nil: any time.
  var maxNanoseconds: UInt64?
  /// More tries for a block that took longer.
  var maxRetries = 0
  /// Asked between two runs of the model.
  var shouldStop: @Sendable () -> Bool = { false }
  /// Rows of one run. A run that takes too long is ended, and later ones are smaller: so a stop never
  /// waits long, and a row that takes all the time there is leaves most of it to the others.
  private(set) var maxRunRows = Int.max

  /// Requests that came to this process so far. Turns are short while they come, and long where
  /// nobody is there who might wait.
  var requestCount: @Sendable () -> UInt64 = { 0 }
  private var knownRequests: UInt64 = 0
  private var shortTurnsEnd: UInt64 = 0
  private var takesShortTurns = false
  /// Rows of a turn, behind which the thread gives way, as many as may take some `turnNanoseconds`.
  /// No fewer than 32: a network reads its weights once for all rows of a run, and gives way within
  /// it (`Scratch.pause`).
  private(set) var turnRows = 128
  private static let turnRowsRange = 32...512

  private var used: UInt64 = 0
  private var retries = 0
  private let clock: MonotonicClock
  private static let maxRunNanoseconds: UInt64 = 1_000_000_000
  /// Of a block's time, for one run of several rows: to find one row among thousands takes twelve runs
  /// that are ended.
  private static let runShare: UInt64 = 32

  init(clock: MonotonicClock = .system) { self.clock = clock }

  /// Another block begins.
  func begin() {
    used = 0
    retries = maxRetries
    let now = clock.now()
    let count = requestCount()
    if count != knownRequests {
      knownRequests = count
      shortTurnsEnd = now &+ 1_000_000_000
    }
    takesShortTurns = now < shortTurnsEnd
  }

  private var turnNanoseconds: UInt64 { takesShortTurns ? 50_000 : 1_000_000 }

  /// Does what is to be done with a turn's rows, gives way, and fits later turns to the time it took.
  func turn(rows count: Int, _ body: () -> Void) {
    let begin = clock.now()
    body()
    let elapsed = clock.now() &- begin
    ThreadPriority.giveWay()
    // The last rows of a block say little.
    guard count >= turnRows else { return }
    if elapsed > 2 * turnNanoseconds {
      turnRows = max(turnRows / 2, Self.turnRowsRange.lowerBound)
    } else if elapsed < turnNanoseconds {
      turnRows = min(turnRows * 2, Self.turnRowsRange.upperBound)
    }
  }

  /// Within a turn.
  func pause() {
    if takesShortTurns { ThreadPriority.giveWay() }
  }

  /// Nanoseconds that the next run may take; nil when the block has had all its tries.
  func time(forRows count: Int) -> UInt64? {
    guard let limit = maxNanoseconds else { return .max }
    if used >= limit {
      guard retries > 0 else { return nil }
      retries -= 1
      used = 0
    }
    let left = limit - used
    return count == 1 ? left : min(left, runTime(limit))
  }

  /// Runs the model, and counts the time.
  func measure<Result>(
    rows count: Int, _ body: () throws(ExecutorError) -> Result
  ) throws(ExecutorError) -> Result {
    guard let limit = maxNanoseconds else { return try body() }
    let begin = clock.now()
    let waited = Self.waitedNanoseconds()
    defer {
      let (elapsed, waiting) = (clock.now() &- begin, Self.waitedNanoseconds() &- waited)
      used += elapsed > waiting ? elapsed - waiting : 0
      if count >= maxRunRows, elapsed < runTime(limit) / 4 {
        maxRunRows = maxRunRows > Int.max / 2 ? Int.max : maxRunRows * 2
      }
    }
    return try body()
  }

  /// A run of so many rows took too long.
  func slow(afterRows count: Int) { maxRunRows = max(1, count / 2) }

  private func runTime(_ limit: UInt64) -> UInt64 {
    min(max(limit / Self.runShare, 1_000_000), Self.maxRunNanoseconds)
  }

  /// Why a row was not scored in the time there is.
  var sentence: String {
    let seconds = Double(maxNanoseconds ?? 0) / 1e9
    return "the rows scored with it took longer than \(seconds) s, "
      + "\(maxRetries + 1) time\(maxRetries == 0 ? "" : "s") (retry_settings)"
  }

  /// Nanoseconds that this thread has been ready to run, and has not. 0 where the kernel does not tell.
  private static func waitedNanoseconds() -> UInt64 {
    let file = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return 0 }
    defer { close(file) }
    var text = [UInt8](repeating: 0, count: 96)
    let count = read(file, &text, text.count)
    guard count > 0 else { return 0 }
    // Time on a CPU, time waiting for one, turns.
    let numbers = text[..<count].split(separator: UInt8(ascii: " "))
    guard numbers.count > 1 else { return 0 }
    return UInt64(String(decoding: numbers[1], as: UTF8.self)) ?? 0
  }
}
