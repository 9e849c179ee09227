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
  package enum Level: Int, Sendable, Comparable {
    case debug, info, warning, error
    package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
  }

  /// - Parameter descriptor: Where lines go; 2 is standard error. Not closed.
  package init(descriptor: Int32 = 2, level: Level = .info, maxBufferedBytes: Int = 8 << 20) {
    fatalError("skeleton")
  }

  package let level: Level

  package func write(
    _ level: Level, _ message: StaticString, _ fields: KeyValuePairs<StaticString, LogValue> = [:]
  ) { fatalError("skeleton") }

  /// Appends a line made by the caller straight into the buffer: the request log's fast way.
  /// `body` appends complete JSON members, each beginning with a comma, to the line's bytes.
  package func write(
    _ level: Level, _ message: StaticString, members body: (inout [UInt8]) -> Void
  ) { fatalError("skeleton") }

  /// Waits until everything written so far is with the operating system. At shutdown.
  package func flush() { fatalError("skeleton") }

  /// A swift-log handler that writes here: for the libraries and rare lines.
  package func makeLogger(label: String) -> Logger { fatalError("skeleton") }
}
