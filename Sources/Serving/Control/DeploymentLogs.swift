internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#endif

/// The last lines about each deployment, for `get-logs`: what it loaded, how it warmed up, why it
/// failed, and the requests that it refused. Bounded, in memory, gone with the process; the
/// gateway's log has all of it. Any thread.
package final class DeploymentLogs: Sendable {
  package enum Level: String, Sendable {
    case info = "INFO"
    case warning = "WARN"
    case error = "ERROR"
  }

  /// Lines that are kept of one deployment.
  package static let maxLines = 1000
  /// Bytes of one line's text; the rest is cut.
  static let maxLineBytes = 1024

  /// The newest lines; `next` is the place of the oldest once all places are taken.
  private struct Ring {
    var lines: [String] = []
    var next = 0

    mutating func append(_ line: String) {
      if lines.count < DeploymentLogs.maxLines {
        lines.append(line)
      } else {
        lines[next] = line
        next = (next + 1) % DeploymentLogs.maxLines
      }
    }

    func last(_ count: Int) -> [String] {
      Array((lines[next...] + lines[..<next]).suffix(max(count, 0)))
    }
  }

  private let rings = Mutex<[DeploymentKey: Ring]>([:])
  /// Milliseconds since 1970.
  private let time: @Sendable () -> Int64

  package convenience init() {
    self.init { currentTime() }
  }

  init(time: @escaping @Sendable () -> Int64) { self.time = time }

  /// Adds a line about a request; none when the deployment is gone meanwhile.
  package func appendRequest(
    endpoint: String, deployment: String, _ level: Level, _ text: String
  ) {
    let line = line(level, text)
    rings.withLock { $0[DeploymentKey(endpoint: endpoint, name: deployment)]?.append(line) }
  }

  /// Adds a line about what the control plane does with a deployment.
  func append(_ key: DeploymentKey, _ level: Level, _ text: String) {
    let line = line(level, text)
    rings.withLock { $0[key, default: Ring()].append(line) }
  }

  private func line(_ level: Level, _ text: String) -> String {
    "\(timeText(time())) \(level.rawValue) \(Self.cleaned(text))"
  }

  /// The last lines, oldest first, each with a newline.
  package func text(endpoint: String, deployment: String, lines: Int) -> String {
    let key = DeploymentKey(endpoint: endpoint, name: deployment)
    let last = rings.withLock { $0[key]?.last(lines) ?? [] }
    return last.map { $0 + "\n" }.joined()
  }

  func forget(_ key: DeploymentKey) { rings.withLock { $0[key] = nil } }

  /// One line, whatever a client sent: control characters become spaces.
  private static func cleaned(_ text: String) -> String {
    var cleaned = ""
    for scalar in text.unicodeScalars {
      if cleaned.utf8.count >= maxLineBytes { return cleaned + "…" }
      cleaned.unicodeScalars.append(
        scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? " " : scalar)
    }
    return cleaned
  }
}

/// `2026-01-31T12:00:00.250Z`
private func timeText(_ milliseconds: Int64) -> String {
  var seconds = time_t(milliseconds / 1000)
  var parts = tm()
  gmtime_r(&seconds, &parts)
  func padded(_ number: some BinaryInteger, _ width: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, width - text.count)) + text
  }
  return "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-"
    + "\(padded(parts.tm_mday, 2))T\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):"
    + "\(padded(parts.tm_sec, 2)).\(padded(milliseconds % 1000, 3))Z"
}
