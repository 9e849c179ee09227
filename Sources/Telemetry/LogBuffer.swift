#if canImport(Glibc)
  import Glibc
#endif

/// The lines between the threads that make them and the one that writes them. Guarded by a
/// `Monitor`.
///
/// `waiting` is taken whole by the writer, which hands in the emptied one of the round before:
/// two buffers that change places, and no allocation once both have grown.
struct LogBuffer {
  let maxBufferedBytes: Int
  private var clock = LogClock()

  private var waiting: [UInt8] = []
  private var waitingLines: UInt64 = 0
  /// Taken by the writer and not yet with the operating system.
  private var takenBytes = 0
  private var takenLines: UInt64 = 0

  /// Lines dropped and not yet spoken of in a line.
  private var untoldLines: UInt64 = 0
  /// Lines the descriptor refused and not yet spoken of; these alone do not wake the writer.
  private var refusedLines: UInt64 = 0
  private(set) var droppedLines: UInt64 = 0
  private(set) var acceptedLines: UInt64 = 0
  /// Lines that are done with: written, or dropped because the descriptor refused them.
  private(set) var writtenLines: UInt64 = 0

  /// The writer waits for a first line: who appends one must wake it.
  var isWriterAsleep = false
  /// Somebody waits in `flush`: the writer does not pause.
  var isFlushWanted = false
  var isClosed = false

  init(maxBufferedBytes: Int) { self.maxBufferedBytes = maxBufferedBytes }

  var hasWork: Bool { !waiting.isEmpty || untoldLines > 0 }
  var isHalfFull: Bool { waiting.count >= maxBufferedBytes / 2 }

  /// - Parameter line: Everything that follows the time, with the newline.
  /// - Returns: Whether the writer must be woken.
  mutating func append(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
    let lineBytes = line.count + LogClock.memberBytes
    guard waiting.count + takenBytes + lineBytes <= maxBufferedBytes else {
      droppedLines &+= 1
      untoldLines &+= 1
      return wakes()
    }
    let wasHalfFull = isHalfFull
    clock.appendTimeMember(to: &waiting)
    waiting.append(contentsOf: line)
    waitingLines += 1
    acceptedLines += 1
    return wakes() || (isHalfFull && !wasHalfFull)
  }

  private mutating func wakes() -> Bool {
    defer { isWriterAsleep = false }
    return isWriterAsleep
  }

  /// Hands everything that waits to the writer, which gives its empty buffer for it.
  mutating func take(into buffer: inout [UInt8]) {
    if untoldLines + refusedLines > 0 {
      clock.appendTimeMember(to: &waiting)
      waiting.append(
        contentsOf: #","level":"warning","message":"log lines dropped","lines":"#.utf8)
      waiting.append(contentsOf: String(untoldLines + refusedLines).utf8)
      waiting.append(contentsOf: "}\n".utf8)
      untoldLines = 0
      refusedLines = 0
    }
    buffer.removeAll(keepingCapacity: true)
    swap(&waiting, &buffer)
    takenBytes = buffer.count
    takenLines = waitingLines
    waitingLines = 0
    if writtenLines + takenLines == acceptedLines { isFlushWanted = false }
  }

  /// The writer is done with what it took.
  ///
  /// - Parameter lostLines: How many of its lines the descriptor did not take.
  mutating func finishTaken(lostLines: UInt64) {
    takenBytes = 0
    writtenLines += takenLines
    takenLines = 0
    droppedLines &+= lostLines
    // Spoken of beside the next line only: saying so at once would fail again, for ever.
    refusedLines &+= lostLines
  }
}

/// Prints the time of day, RFC 3339 in UTC with milliseconds; a text is kept as long as it
/// holds.
struct LogClock {
  /// `{"time":"2026-01-02T03:04:05.678Z"`
  static let memberBytes = 34

  private var second = Int.min
  private var millisecond = -1
  /// `{"time":"2026-01-02T03:04:05.678Z"`
  private var member: [UInt8] = []

  mutating func appendTimeMember(to bytes: inout [UInt8]) {
    var now = timespec()
    clock_gettime(CLOCK_REALTIME, &now)
    appendTimeMember(second: now.tv_sec, nanosecond: now.tv_nsec, to: &bytes)
  }

  mutating func appendTimeMember(second: Int, nanosecond: Int, to bytes: inout [UInt8]) {
    let millisecond = nanosecond / 1_000_000
    if second != self.second {
      self.second = second
      self.millisecond = -1
      member = Self.prefix(second: second) + Array("000Z\"".utf8)
    }
    if millisecond != self.millisecond {
      self.millisecond = millisecond
      let place = member.count - 5
      member[place] = UInt8(ascii: "0") + UInt8(millisecond / 100)
      member[place + 1] = UInt8(ascii: "0") + UInt8(millisecond / 10 % 10)
      member[place + 2] = UInt8(ascii: "0") + UInt8(millisecond % 10)
    }
    bytes.append(contentsOf: member)
  }

  private static func prefix(second: Int) -> [UInt8] {
    var second = time_t(second)
    var parts = tm()
    gmtime_r(&second, &parts)
    func digits(_ number: Int32, _ count: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, count - text.count)) + text
    }
    let date = [
      digits(parts.tm_year + 1900, 4), digits(parts.tm_mon + 1, 2), digits(parts.tm_mday, 2),
    ]
    let time = [digits(parts.tm_hour, 2), digits(parts.tm_min, 2), digits(parts.tm_sec, 2)]
    return Array(
      (#"{"time":""# + date.joined(separator: "-") + "T" + time.joined(separator: ":") + ".").utf8)
  }
}
