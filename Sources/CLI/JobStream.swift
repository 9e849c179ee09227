import Documents
import Glibc
import HTTP

/// Follows a job to its end: one line that changes on a terminal, else a line now and then, on
/// standard error. A gateway that is restarted meanwhile is waited for, and so is room on its disk.
struct JobStream {
  /// What one look brings.
  enum Look: Sendable {
    case job(DocumentValue)
    /// A gateway, or what stands before it, has said that it will answer in a moment.
    case later(String)
    case unanswered(CommandFailure)
  }

  private let look: (_ job: String) throws(CommandFailure) -> Look
  private let write: (String) -> Void
  private let clock: () -> UInt64
  private let isTerminal: Bool
  /// Of the terminal.
  private let columns: () -> Int

  init(_ control: ControlClient) {
    self.init(
      isTerminal: isatty(2) == 1, columns: { StandardError.columns }, clock: Self.monotonicTime,
      write: StandardError.write,
      look: { name throws(CommandFailure) in try Self.look(at: name, control) })
  }

  init(
    isTerminal: Bool, columns: @escaping () -> Int = { 80 }, clock: @escaping () -> UInt64,
    write: @escaping (String) -> Void,
    look: @escaping (_ job: String) throws(CommandFailure) -> Look
  ) {
    self.isTerminal = isTerminal
    self.columns = columns
    self.clock = clock
    self.write = write
    self.look = look
  }

  /// Between two looks.
  private static let pollMilliseconds: UInt32 = 200
  /// Nanoseconds between two lines where there is no terminal.
  private static let lineInterval: UInt64 = 5_000_000_000
  /// Nanoseconds without an answer that says anything of the job: as long as a new process may load.
  private static let patience: UInt64 = 300_000_000_000

  /// - Parameter isKnown: The gateway has just told of the job: that it does not answer means that it
  ///   comes back.
  /// - Returns: The job as it has ended.
  func follow(_ name: String, isKnown: Bool = false) throws(CommandFailure) -> DocumentValue {
    var isKnown = isKnown
    var pace = JobPace()
    var lastStatus: String?
    var lastLine: UInt64 = 0
    var lastAnswer = clock()
    while true {
      let now: UInt64
      let status: String
      let line: String
      var ended: DocumentValue?
      switch try look(name) {
      case .job(let job):
        now = clock()
        (isKnown, lastAnswer) = (true, now)
        let sample = JobSample(job)
        pace.add(sample, at: now)
        status = sample.status
        line =
          isTerminal
          ? JobLine.text(sample, pace, columns: columns() - 1)
          : JobLine.text(sample, pace, width: 0)
        if ["Completed", "Failed", "Canceled", "NotResponding"].contains(status) { ended = job }
      case .unanswered(let failure) where !isKnown: throw failure
      case .unanswered(let failure):
        now = clock()
        (status, line) = try waiting(failure.message, since: lastAnswer, now)
      case .later(let reason):
        now = clock()
        (status, line) = try waiting(reason, since: lastAnswer, now)
      }
      if isTerminal {
        // Of a line that goes on in the next one, the next look would take back the end alone.
        let shown = ended == nil ? String(line.prefix(max(columns() - 1, 1))) : line
        write("\r\(shown)\u{1B}[K")
      } else if status != lastStatus || now &- lastLine >= Self.lineInterval {
        write("\(name): \(line)\n")
        lastLine = now
      }
      lastStatus = status
      if let ended {
        if isTerminal { write("\n") }
        return ended
      }
      usleep(Self.pollMilliseconds * 1000)
    }
  }

  private func waiting(
    _ reason: String, since lastAnswer: UInt64, _ now: UInt64
  ) throws(CommandFailure) -> (status: String, line: String) {
    guard now &- lastAnswer < Self.patience else { throw CommandFailure(reason) }
    return ("", "waiting for the gateway: \(reason)")
  }

  private static func look(
    at name: String, _ control: ControlClient
  ) throws(CommandFailure) -> Look {
    let response: HTTPClient.Response
    do throws(CommandFailure) {
      response = try control.sendRaw("GET", "jobs/\(name.percentEncoded)")
    } catch {
      guard error.isUnanswered else { throw error }
      return .unanswered(error)
    }
    // 502 and 504 come from a proxy.
    if [502, 503, 504].contains(response.status) {
      return .later(ControlClient.sentence(of: response))
    }
    return .job(try ControlClient.answer(response).body)
  }

  /// - Throws: Unless the job is Completed.
  static func check(_ job: DocumentValue) throws(CommandFailure) {
    let sample = JobSample(job)
    guard sample.status != "Completed" else { return }
    let name = ResourceViews.text(job, "name") ?? "the job"
    let failedRows = ResourceViews.text(ResourceViews.property(job, "swerve"), "failedRows")
    throw CommandFailure(
      "job \(name) is \(sample.status)" + (sample.reason.map { ": \($0)" } ?? "")
        + (failedRows.map {
          "; the rows that failed are in \($0): swerve job download -n \(name) --output-name logs"
        } ?? ""))
  }

  private static func monotonicTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// What a line of progress tells of a job.
struct JobSample: Equatable {
  var status = ""
  var reason: String?
  var scoredRows: Int64 = 0
  var failedRows: Int64 = 0
  var readBytes: Int64 = 0
  var totalBytes: Int64 = 0

  init() {}

  init(_ job: DocumentValue) {
    status = ResourceViews.property(job, "status").text ?? ""
    let own = ResourceViews.property(job, "swerve")
    reason = ResourceViews.text(own, "reason")
    let progress = ResourceViews.member(own, "progress")
    func count(_ name: String) -> Int64 {
      if case .integer(let count) = ResourceViews.member(progress, name) { return count }
      return 0
    }
    scoredRows = count("scoredRows")
    failedRows = count("failedRows")
    readBytes = count("readBytes")
    totalBytes = count("totalBytes")
  }

  /// 0...1; nil where it is not known.
  var share: Double? {
    guard totalBytes > 0 else { return nil }
    return min(1, Double(readBytes) / Double(totalBytes))
  }
}

/// How fast a job has gone during the last seconds that were looked at.
struct JobPace {
  private var samples: [(time: UInt64, rows: Int64, bytes: Int64)] = []

  /// Nanoseconds.
  private static let window: UInt64 = 10_000_000_000

  mutating func add(_ sample: JobSample, at time: UInt64) {
    let rows = sample.scoredRows.addingReportingOverflow(sample.failedRows).partialValue
    samples.append((time, rows, sample.readBytes))
    while samples.count > 2, time &- samples[0].time > Self.window { samples.removeFirst() }
  }

  /// Rows a second; nil before there are two looks apart.
  var rowsPerSecond: Double? { speed { $0.rows } }
  var bytesPerSecond: Double? { speed { $0.bytes } }

  private func speed(
    of count: ((time: UInt64, rows: Int64, bytes: Int64)) -> Int64
  ) -> Double? {
    guard let first = samples.first, let last = samples.last, last.time > first.time else {
      return nil
    }
    let seconds = Double(last.time - first.time) / 1e9
    return Double(count(last) - count(first)) / seconds
  }
}

/// `Running  [######------]  50 %  1,200,000 rows  240,000 rows/s  3 failed  5 s left`.
enum JobLine {
  /// With as much of a bar as there is room for in `columns`.
  static func text(_ sample: JobSample, _ pace: JobPace, columns: Int) -> String {
    let bare = text(sample, pace, width: 0)
    let room = columns - bare.count - "  []".count
    return room < 4 ? bare : text(sample, pace, width: min(room, 24))
  }

  /// - Parameter width: Of the bar; 0: none.
  static func text(_ sample: JobSample, _ pace: JobPace, width: Int) -> String {
    var parts = [sample.status]
    if let share = sample.share {
      if width > 0 {
        let done = Int(Double(width) * share)
        parts.append(
          "[" + String(repeating: "#", count: done)
            + String(repeating: "-", count: width - done) + "]")
      }
      parts.append("\(Int(share * 100)) %")
    }
    parts.append("\(grouped(sample.scoredRows)) rows")
    let isRunning = sample.status == "Running" || sample.status == "Finalizing"
    if isRunning, let speed = pace.rowsPerSecond, speed >= 1 {
      parts.append("\(grouped(Int64(speed))) rows/s")
    }
    parts.append("\(grouped(sample.failedRows)) failed")
    if isRunning, let speed = pace.bytesPerSecond, speed > 0, sample.totalBytes > 0 {
      let left = Double(sample.totalBytes - sample.readBytes) / speed
      if left.isFinite, left >= 0, left < 1e9 {
        parts.append("\(time(Int(left.rounded(.up)))) left")
      }
    }
    if let reason = sample.reason { parts.append(reason) }
    return parts.joined(separator: "  ")
  }

  static func grouped(_ number: Int64) -> String {
    var text = ""
    for (index, digit) in String(number).reversed().enumerated() {
      if index > 0, index % 3 == 0, digit != "-" { text.append(",") }
      text.append(digit)
    }
    return String(text.reversed())
  }

  private static func time(_ seconds: Int) -> String {
    if seconds < 60 { return "\(seconds) s" }
    if seconds < 3600 { return "\(seconds / 60) min \(seconds % 60) s" }
    return "\(seconds / 3600) h \(seconds % 3600 / 60) min"
  }
}

extension DocumentValue {
  /// The string that it is.
  var text: String? {
    if case .string(let text) = self { return text }
    return nil
  }
}
