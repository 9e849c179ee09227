package import Logging

/// One field of a log line.
package enum LogValue: Sendable {
  case string(String)
  case integer(Int64)
  /// Milliseconds or another measured number, printed with three decimals.
  case decimal(Double)
  case bool(Bool)
}

/// Writes one JSON object a line: `time`, `level`, `message`, then the fields in order.
///
/// Lines are whole and valid UTF-8 whatever the fields hold. A thread of its own writes them:
/// the caller never waits for the disk or the pipe. When that falls behind by more than
/// `maxBufferedBytes`, lines are dropped and counted, and one line says how many.
package final class Log: Sendable {
  package enum Level: Int, Sendable, Comparable, CaseIterable {
    case debug, info, warning, error

    /// - Parameter name: As in the settings and on the line: `debug`, `info`, `warning`, `error`.
    package init?(name: String) {
      guard let level = Self.allCases.first(where: { $0.name == name }) else { return nil }
      self = level
    }

    package var name: String {
      switch self {
      case .debug: "debug"
      case .info: "info"
      case .warning: "warning"
      case .error: "error"
      }
    }

    package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
  }

  /// Lines below this level are not written.
  package let level: Level
  private let buffer: Monitor<LogBuffer>

  /// - Parameter descriptor: Where lines go; 2 is standard error. Not closed.
  package init(descriptor: Int32 = 2, level: Level = .info, maxBufferedBytes: Int = 8 << 20) {
    self.level = level
    buffer = Monitor(LogBuffer(maxBufferedBytes: maxBufferedBytes))
    LogWriter(descriptor: descriptor, buffer: buffer).start()
  }

  deinit {
    flush()
    buffer.withLock { $0.isClosed = true }
    buffer.broadcast()
  }

  /// Lines that were not written: the buffer was full, or the descriptor refused them.
  package var droppedLines: UInt64 { buffer.withLock { $0.droppedLines } }

  package func write(
    _ level: Level, _ message: StaticString, _ fields: KeyValuePairs<StaticString, LogValue> = [:]
  ) {
    guard level >= self.level else { return }
    write(level, message.description) { line in
      for (name, value) in fields { line.appendLogMember(name, value) }
    }
  }

  /// Writes a line whose members the caller appends itself: the request log's fast way.
  package func write(
    _ level: Level, _ message: StaticString, members body: (inout LogLine) -> Void
  ) {
    guard level >= self.level else { return }
    writeLine(level, message, members: body)
  }

  /// The same, of something that has a level of its own: where that is `debug`, its lines are written
  /// whatever the log's level is; else those that both want.
  package func write(
    _ level: Level, own: Level, _ message: StaticString, members body: (inout LogLine) -> Void
  ) {
    guard level >= (own == .debug ? own : max(own, self.level)) else { return }
    writeLine(level, message, members: body)
  }

  private func writeLine(
    _ level: Level, _ message: StaticString, members body: (inout LogLine) -> Void
  ) {
    var line = LogLine()
    line.append(verbatim: Self.start(level))
    line.appendLogText(message)
    line.append(verbatim: "\"")
    body(&line)
    finish(&line)
  }

  /// For messages that a library made.
  func write(_ level: Level, _ message: String, members body: (inout LogLine) -> Void) {
    guard level >= self.level else { return }
    var line = LogLine()
    line.append(verbatim: Self.start(level))
    line.appendLogText(message)
    line.append(verbatim: "\"")
    body(&line)
    finish(&line)
  }

  /// Waits until everything written so far is with the operating system, but no longer than
  /// two seconds: a pipe that nobody reads must not hold up a shutdown.
  package func flush() {
    let target = buffer.withLock { state in
      state.isFlushWanted = true
      return state.acceptedLines
    }
    buffer.broadcast()
    let deadline = MonotonicClock.system.now() + 2_000_000_000
    _ = buffer.wait(until: deadline) { state in state.writtenLines >= target ? true : nil }
  }

  /// A swift-log handler that writes here: for the libraries and rare lines.
  package func makeLogger(label: String) -> Logger {
    Logger(label: label, factory: { LogHandlerToLog(label: $0, log: self) })
  }

  /// All of a line but its time, which is put in front when the line takes its place in the
  /// buffer: so times never run backwards from line to line.
  private static func start(_ level: Level) -> StaticString {
    switch level {
    case .debug: #","level":"debug","message":""#
    case .info: #","level":"info","message":""#
    case .warning: #","level":"warning","message":""#
    case .error: #","level":"error","message":""#
    }
  }

  private func finish(_ line: inout LogLine) {
    line.append(verbatim: "}\n")
    let bytes = line.bytes
    let writerSleeps = buffer.withLock { $0.append(bytes) }
    if writerSleeps { buffer.broadcast() }
  }
}
