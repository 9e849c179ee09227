import Glibc

/// Sends requests at fixed times, whatever becomes of those before, and says how each ended.
///
/// `open-loop --port P --path /… --rate N --seconds S --body FILE [--header 'Name: value']…
/// [--connections N]`. A request is due at its number over the rate; its latency counts from
/// then, so that a server that stalls, or a generator that is late, cannot hide it. One line of
/// JSON: for each status the number of answers and their latencies, and how late requests left.
@main struct OpenLoop {
  static func main() {
    signal(SIGPIPE, SIG_IGN)
    var run = Run(Settings(CommandLine.arguments))
    run.execute()
    print(run.report)
  }
}

struct Settings {
  var port: UInt16 = 0
  var path = "/"
  var rate = 100.0
  var seconds = 1.0
  var bodyPath = ""
  var headers: [String] = []
  /// Connections at most; one that is free is used again.
  var connections = 1000
  /// Seconds after the last request is due until the rest are given up.
  var patience = 10.0

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
      case "--port": port = number(value)
      case "--path": path = value
      case "--rate": rate = number(value)
      case "--seconds": seconds = number(value)
      case "--body": bodyPath = value
      case "--header": headers.append(value)
      case "--connections": connections = number(value)
      case "--patience": patience = number(value)
      default: end("unknown option \(option)", status: 2)
      }
    }
  }

  /// The whole request as it is sent, every time the same.
  var request: [UInt8] {
    guard let file = fopen(bodyPath, "rb") else {
      end("--body '\(bodyPath)' cannot be read: \(String(cString: strerror(errno)))", status: 2)
    }
    defer { fclose(file) }
    var body: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while case let count = fread(&block, 1, block.count, file), count > 0 {
      body += block[..<count]
    }
    var head = "POST \(path) HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: \(body.count)\r\n"
    for header in headers { head += header + "\r\n" }
    return Array((head + "\r\n").utf8) + body
  }
}

/// One connection, and the request that is on it.
struct Connection {
  var descriptor: Int32
  /// When the request was due, nanoseconds; 0: the connection is free.
  var due: UInt64 = 0
  var sent = 0
  var received: [UInt8] = []
}

struct Run {
  let settings: Settings
  let request: [UInt8]
  private var connections: [Connection] = []
  private var free: [Int] = []
  private var busy: [Int] = []
  /// By status: latencies in nanoseconds. 0 stands for a connection that was cut.
  private var latencies: [Int: [UInt64]] = [:]
  private var lateness: [UInt64] = []
  private var unanswered = 0
  private var poll: [pollfd] = []
  private var block = [UInt8](repeating: 0, count: 1 << 16)

  init(_ settings: Settings) {
    self.settings = settings
    request = settings.request
  }

  mutating func execute() {
    let start = now() + 50_000_000
    let count = Int(settings.rate * settings.seconds)
    let step = 1e9 / settings.rate
    var next = 0
    let end = start + UInt64((settings.seconds + settings.patience) * 1e9)
    while next < count || !busy.isEmpty {
      let time = now()
      if time > end { break }
      while next < count, case let due = start + UInt64(Double(next) * step), due <= time {
        guard let index = connection() else { break }
        connections[index].due = due
        connections[index].sent = 0
        connections[index].received.removeAll(keepingCapacity: true)
        lateness.append(time - due)
        busy.append(index)
        next += 1
        send(index)
      }
      let due = next < count ? start + UInt64(Double(next) * step) : end
      wait(until: due)
    }
    unanswered = busy.count + (count - next)
  }

  private func now() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }

  /// A free connection, or a new one; nil when there are as many as there may be.
  private mutating func connection() -> Int? {
    if let index = free.popLast() { return index }
    guard connections.count < settings.connections else { return nil }
    let descriptor = open()
    guard descriptor >= 0 else { return nil }
    connections.append(Connection(descriptor: descriptor))
    return connections.count - 1
  }

  private func open() -> Int32 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = settings.port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let code = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    guard code == 0 else {
      close(descriptor)
      return -1
    }
    var one: Int32 = 1
    setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(4))
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    return descriptor
  }

  private mutating func send(_ index: Int) {
    let descriptor = connections[index].descriptor
    let sent = connections[index].sent
    let count = request.withUnsafeBytes {
      Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, request.count - sent, 0)
    }
    if count > 0 { connections[index].sent += count }
    if count < 0, errno != EAGAIN { fail(index) }
  }

  private mutating func wait(until due: UInt64) {
    let time = now()
    let left = due > time ? min(due - time, 100_000_000) : 0
    poll.removeAll(keepingCapacity: true)
    for index in busy {
      let isSent = connections[index].sent == request.count
      poll.append(
        pollfd(
          fd: connections[index].descriptor, events: Int16(isSent ? POLLIN : POLLIN | POLLOUT),
          revents: 0))
    }
    // `poll` counts in milliseconds. What is shorter is slept in parts: asking without a pause
    // would take a CPU from the server.
    if left < 1_000_000 { usleep(UInt32(min(left / 1000, 200))) }
    guard Glibc.poll(&poll, nfds_t(poll.count), Int32(left / 1_000_000)) > 0 else { return }
    let asked = busy
    for (place, index) in asked.enumerated() where poll[place].revents != 0 {
      if connections[index].sent < request.count { send(index) }
      if connections[index].due > 0, Int32(poll[place].revents) & ~POLLOUT != 0 { receive(index) }
    }
    busy.removeAll { connections[$0].due == 0 }
  }

  private mutating func receive(_ index: Int) {
    let count = recv(connections[index].descriptor, &block, block.count, 0)
    if count < 0, errno == EAGAIN { return }
    guard count > 0 else { return fail(index) }
    connections[index].received += block[..<count]
    guard let answer = Answer(connections[index].received) else { return }
    latencies[answer.status, default: []].append(now() - connections[index].due)
    connections[index].due = 0
    if answer.closes {
      reopen(index)
    } else {
      free.append(index)
    }
  }

  private mutating func fail(_ index: Int) {
    latencies[0, default: []].append(now() - connections[index].due)
    connections[index].due = 0
    reopen(index)
  }

  private mutating func reopen(_ index: Int) {
    close(connections[index].descriptor)
    let descriptor = open()
    connections[index].descriptor = descriptor
    if descriptor >= 0 { free.append(index) }
  }

  var report: String {
    func milliseconds(_ values: [UInt64], _ share: Double) -> String {
      guard !values.isEmpty else { return "0" }
      let ordered = values.sorted()
      let place = min(ordered.count - 1, Int(Double(ordered.count) * share))
      return String(Double(ordered[place] / 1000) / 1000)
    }
    func summary(_ values: [UInt64]) -> String {
      "{\"count\": \(values.count), \"p50\": \(milliseconds(values, 0.5)), "
        + "\"p99\": \(milliseconds(values, 0.99)), \"p99.9\": \(milliseconds(values, 0.999)), "
        + "\"max\": \(milliseconds(values, 1))}"
    }
    let answers = latencies.sorted { $0.key < $1.key }
      .map { "\"\($0.key)\": \(summary($0.value))" }.joined(separator: ", ")
    return "{\"rate\": \(settings.rate), \"seconds\": \(settings.seconds), "
      + "\"connections\": \(connections.count), \"unanswered\": \(unanswered), "
      + "\"lateness\": \(summary(lateness)), \"answers\": {\(answers)}}"
  }
}

/// What is needed of an answer; nil as long as it is not whole.
struct Answer {
  var status: Int
  var closes: Bool

  init?(_ bytes: [UInt8]) {
    // `HTTP/1.1 200`, then lines, then as many bytes as one of them says.
    guard bytes.count > 12, let end = Answer.headEnd(bytes) else { return nil }
    status = Answer.number(bytes, from: 9)
    let length = Answer.place(of: Answer.lengthName, in: bytes, before: end)
      .map { Answer.number(bytes, from: $0) }
    guard bytes.count >= end + (length ?? 0) else { return nil }
    closes = Answer.place(of: Answer.closeLine, in: bytes, before: end) != nil
  }

  private static let lengthName = Array("\ncontent-length: ".utf8)
  private static let closeLine = Array("\nconnection: close".utf8)

  private static func headEnd(_ bytes: [UInt8]) -> Int? {
    var index = 3
    while index < bytes.count {
      if bytes[index] == 10, bytes[index - 1] == 13, bytes[index - 2] == 10 { return index + 1 }
      index += 1
    }
    return nil
  }

  /// Where `line`, in any letter case, ends.
  private static func place(of line: [UInt8], in bytes: [UInt8], before end: Int) -> Int? {
    guard end > line.count else { return nil }
    for start in 0..<(end - line.count) where bytes[start] == 10 {
      if line.indices.allSatisfy({ bytes[start + $0] | 0x20 == line[$0] | 0x20 }) {
        return start + line.count
      }
    }
    return nil
  }

  private static func number(_ bytes: [UInt8], from start: Int) -> Int {
    var number = 0
    for byte in bytes[start...] {
      guard byte >= 48, byte <= 57 else { break }
      number = number * 10 + Int(byte) - 48
    }
    return number
  }
}

/// - Parameter status: 2 where the command line is wrong.
private func end(_ reason: String, status: Int32) -> Never {
  let line = Array("open-loop: \(reason)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(status)
}
