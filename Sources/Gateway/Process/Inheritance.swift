internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#endif

/// What a process gets from the one that it is to follow: listening sockets, and a line to talk
/// over. The other side is `Succession`, which says how the two take turns.
struct Inheritance: Sendable {
  /// The descriptors, as `control=5 scoring=7 admin=9 remote=11`.
  static let variable = "SWERVE_HANDOVER"

  let control: Int32
  let scoring: Int32
  let admin: Int32
  let remoteAdmin: Int32?

  init?(_ text: String) {
    var descriptors: [Substring: Int32] = [:]
    for pair in text.split(separator: " ") {
      let parts = pair.split(separator: "=")
      guard parts.count == 2, let number = Int32(parts[1]), number > 2 else { return nil }
      descriptors[parts[0]] = number
    }
    guard let control = descriptors["control"], let scoring = descriptors["scoring"],
      let admin = descriptors["admin"]
    else { return nil }
    self.control = control
    self.scoring = scoring
    self.admin = admin
    remoteAdmin = descriptors["remote"]
  }

  /// The line to the process before this one, until it has heard how it went.
  private static let line = Mutex<Int32?>(nil)

  /// What this process was started with, once the other one has given up the workspace; nil in a
  /// process that follows none. To be called before anything of the workspace is touched.
  static func accepted() throws(GatewayError) -> Inheritance? {
    guard let inheritance = fromEnvironment() else { return nil }
    let control = HandoverLine(inheritance.control)
    control.send("prepared")
    guard control.receive(milliseconds: -1) == "go" else {
      throw GatewayError("the process before this one has ended, or gone on without it")
    }
    return inheritance
  }

  /// Tells the other process that this one can answer, and waits until that one has let go of the
  /// sockets.
  ///
  /// - Throws: When the other process has ended, or goes on without this one.
  static func take() throws(GatewayError) {
    guard let descriptor = line.withLock({ $0 }) else { return }
    let control = HandoverLine(descriptor)
    // It ends in silence only with its process: that was stopped, and its successor with it.
    guard !control.isAtEnd else {
      throw GatewayError("the process before this one has ended")
    }
    control.send("ready")
    // One that knows nothing of `take` closes the line when it has let go.
    if let word = control.receive(milliseconds: -1), word != "take" {
      throw GatewayError("the process before this one says '\(word.prefix(200))'")
    }
    line.withLock { $0 = nil }
    close(descriptor)
  }

  /// Tells the other process why there will be no successor.
  static func refuse(_ reason: String) {
    // Before `accepted`: the settings were wrong.
    if line.withLock({ $0 == nil }) { _ = fromEnvironment() }
    finish("failed " + reason.split(separator: "\n").joined(separator: "; "))
  }

  private static func finish(_ word: String) {
    let control = line.withLock { line in
      defer { line = nil }
      return line
    }
    guard let control else { return }
    HandoverLine(control).send(word)
    close(control)
  }

  private static func fromEnvironment() -> Inheritance? {
    guard let value = getenv(variable) else { return nil }
    let inheritance = Inheritance(String(cString: value))
    // Not for our own children, and not twice.
    unsetenv(variable)
    guard let inheritance else { return nil }
    for descriptor in [inheritance.control, inheritance.scoring, inheritance.admin]
      + [inheritance.remoteAdmin].compactMap({ $0 })
    {
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    }
    line.withLock { $0 = inheritance.control }
    return inheritance
  }
}

/// One end of the line between two processes: words, each on a line.
struct HandoverLine: Sendable {
  let descriptor: Int32

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  func send(_ word: String) {
    let bytes = Array((word + "\n").utf8)
    // The other end may be gone: then nobody listens.
    _ = bytes.withUnsafeBytes {
      Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
    }
  }

  /// Whether the other end is gone and has left nothing to read.
  var isAtEnd: Bool {
    var byte: UInt8 = 0
    return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) == 0
  }

  /// The next line; nil when the other end is gone, or the time is over (-1: there is no limit).
  func receive(milliseconds: Int32) -> String? {
    var text: [UInt8] = []
    var byte: UInt8 = 0
    while text.count < 64 << 10 {
      var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      let ready = poll(&waiting, 1, milliseconds)
      if ready < 0, errno == EINTR { continue }
      guard ready > 0 else { return nil }
      let count = read(descriptor, &byte, 1)
      if count < 0, errno == EINTR { continue }
      guard count == 1 else { return nil }
      if byte == UInt8(ascii: "\n") { return String(decoding: text, as: UTF8.self) }
      text.append(byte)
    }
    return nil
  }
}
