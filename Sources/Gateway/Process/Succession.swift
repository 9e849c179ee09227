internal import BatchScoring
internal import Serving
internal import Store
internal import Synchronization
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Hands the listening sockets and the workspace to a new process without losing a request.
///
/// 1. The new process is started with the sockets; it reads its settings and says `prepared`.
/// 2. This one makes no more changes, closes the database, frees the lock, and says `go`. It
///    goes on answering: scoring needs neither.
/// 3. The new one takes the workspace, loads and warms up everything, and says `ready`. It has
///    accepted nothing yet, so that it can be ended without a request being lost.
/// 4. This one lets go of the sockets and says `take`; the new one accepts connections. This one
///    ends each connection after its next answer, and ends.
///
/// When the new one fails or is silent before 4, it is ended, and this one takes the workspace
/// back and goes on. When this one is told to stop before 4, it ends the new one first (`cancel`):
/// its drain ends the listening sockets for both.
final class Succession: Sendable {
  private struct State {
    var listeners: Listeners?
    var whenHandedOver: (@Sendable () -> Void)?
    /// A succession is on its way, or has been.
    var isBusy = false
    /// The new process is ready, and it is certain that it follows.
    var isCertain = false
    /// This process stops: there will be no successor.
    var isCancelled = false
    /// The new process, as long as it may be ended.
    var process: Int32?
  }

  private let control: ControlPlane
  private let jobs: JobService
  private let database: Database
  private let uploads: UploadStore
  private let lock: WorkspaceLock
  private let log: Log
  private let state = Monitor(State())
  /// The program's path as it was when it was started: what lies there now may be a newer one.
  private let executable: String

  init(
    control: ControlPlane, jobs: JobService, database: Database, uploads: UploadStore,
    lock: WorkspaceLock, log: Log
  ) {
    self.control = control
    self.jobs = jobs
    self.uploads = uploads
    self.database = database
    self.lock = lock
    self.log = log
    let path = realpath("/proc/self/exe", nil)
    executable = path.map { String(cString: $0) } ?? CommandLine.arguments.first ?? "swerve"
    free(path)
  }

  /// From here on there is something to hand over.
  ///
  /// - Parameter whenHandedOver: Ends this process, in its own time.
  func begin(_ listeners: Listeners, whenHandedOver: @escaping @Sendable () -> Void) {
    state.withLock {
      $0.listeners = listeners
      $0.whenHandedOver = whenHandedOver
    }
  }

  /// How long the new process may take to read its settings.
  private static let prepareMilliseconds: Int32 = 30_000

  /// Starts the new process and hands over to it. On a thread that may block.
  ///
  /// - Parameters:
  ///   - executable: The program; nil: what now lies where this one was started.
  ///   - timeout: How long it may take to load.
  /// - Returns: Its process number.
  /// - Throws: Why there is no successor; this process goes on as before.
  func run(executable: String?, timeout: Duration) throws(GatewayError) -> Int32 {
    let (listeners, whenHandedOver) =
      state.withLock { state in
        if state.isBusy || state.isCancelled { return (nil, nil) }
        state.isBusy = state.listeners != nil
        return (state.listeners, state.whenHandedOver)
      } as (Listeners?, (@Sendable () -> Void)?)
    guard let listeners, let whenHandedOver else {
      throw GatewayError("the gateway is starting, stopping, or being restarted already")
    }
    let program = executable ?? self.executable
    log.write(.info, "restarting", ["program": .string(program)])
    do {
      let process = try start(program, listeners, timeout: timeout)
      log.write(.info, "handed over", ["pid": .integer(Int64(process))])
      whenHandedOver()
      finish()
      return process
    } catch {
      finish()
      log.write(
        .error, "the restart failed; this process goes on",
        ["program": .string(program), "reason": .string(error.description)])
      throw error
    }
  }

  private func finish() {
    state.withLock { $0.isBusy = false }
    state.broadcast()
  }

  /// Ends a succession that is not certain yet, and waits for its end; from now on there is none.
  /// What is certain already goes on: then this process has handed over when this returns.
  func cancel() {
    let isBusy = state.withLock { state in
      state.isCancelled = true
      if let process = state.process, !state.isCertain { kill(process, SIGKILL) }
      return state.isBusy
    }
    guard isBusy else { return }
    let limit = MonotonicClock.system.now() &+ Self.cancelNanoseconds
    let _: Void? = state.wait(until: limit) { $0.isBusy ? nil : () }
  }

  /// A thread that ends a process and takes the workspace back needs some milliseconds.
  private static let cancelNanoseconds: UInt64 = 5_000_000_000

  /// - Returns: The new process, to which the sockets have gone.
  private func start(
    _ program: String, _ listeners: Listeners, timeout: Duration
  ) throws(GatewayError) -> Int32 {
    var ends: [Int32] = [-1, -1]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0
    else { throw GatewayError("no line to a new process: \(lastErrorText())") }
    let line = HandoverLine(ends[0])
    defer { close(ends[0]) }
    let process: Int32
    do throws(GatewayError) {
      process = try spawn(program, control: ends[1], listeners)
    } catch {
      close(ends[1])
      throw error
    }
    close(ends[1])
    defer { state.withLock { $0.process = nil } }
    let isCancelled = state.withLock { state in
      state.process = process
      return state.isCancelled
    }
    if isCancelled { throw stopping(process) }
    let first = line.receive(milliseconds: Self.prepareMilliseconds)
    guard first == "prepared" else { throw failure(of: process, line, said: first) }
    do {
      try control.pause()
    } catch {
      end(process)
      throw GatewayError(error.description)
    }
    guard uploads.pause() else {
      control.resume()
      end(process)
      throw GatewayError("a package is being uploaded; wait for its end, then restart")
    }
    // Each ends its mini-batch; the successor goes on with the next.
    jobs.stop()
    database.close()
    lock.release()
    line.send("go")
    let milliseconds = Int32(clamping: timeout.components.seconds * 1000)
    let answer = line.receive(milliseconds: milliseconds)
    if answer == "ready" {
      let isCertain = state.withLock { state in
        state.isCertain = !state.isCancelled
        return state.isCertain
      }
      if isCertain {
        listeners.handOver()
        line.send("take")
        return process
      }
    }
    let failed =
      state.withLock { $0.isCancelled }
      ? stopping(process) : failure(of: process, line, said: answer)
    takeBack()
    throw failed
  }

  /// Ends the new process because this one stops.
  private func stopping(_ process: Int32) -> GatewayError {
    kill(process, SIGKILL)
    end(process)
    return GatewayError("the gateway is stopping")
  }

  private func takeBack() {
    do throws(StoreError) {
      try lock.acquire()
      try database.reopen()
      control.resume()
      uploads.resume()
    } catch {
      log.write(
        .error, "the workspace cannot be taken back: scoring goes on, changes are refused",
        ["reason": .string(error.description)])
      return
    }
    do throws(BatchError) {
      try jobs.start()
    } catch {
      log.write(
        .error, "the jobs cannot go on; a restart takes them up",
        ["reason": .string(error.description)])
    }
  }

  /// What to say of a process that has not become the successor. Ends it.
  private func failure(of process: Int32, _ line: HandoverLine, said: String?) -> GatewayError {
    // A process that has failed may have said why just before it ended.
    let said = said ?? line.receive(milliseconds: 0)
    let status = end(process)
    if let said, said.hasPrefix("failed ") {
      return GatewayError("the new process cannot start: \(said.dropFirst("failed ".count))")
    }
    if let said { return GatewayError("the new process says '\(said.prefix(200))'") }
    return GatewayError(
      status.map { "the new process ended with status \($0) before it was ready" }
        ?? "the new process was not ready in time")
  }

  /// - Returns: How it had ended by itself; nil when it was still there.
  @discardableResult
  private func end(_ process: Int32) -> Int32? {
    var status: Int32 = 0
    // One that is about to end has a moment for it.
    for _ in 0..<50 {
      if waitpid(process, &status, WNOHANG) == process { return (status >> 8) & 0xFF }
      usleep(10_000)
    }
    kill(process, SIGKILL)
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    return nil
  }

  // MARK: The process

  private func spawn(
    _ program: String, control: Int32, _ listeners: Listeners
  ) throws(GatewayError) -> Int32 {
    let sockets = listeners.inheritance
    var value = "control=\(control) scoring=\(sockets.scoring) admin=\(sockets.admin)"
    if let remote = sockets.remoteAdmin { value += " remote=\(remote)" }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for descriptor in [control, sockets.scoring, sockets.admin]
      + [sockets.remoteAdmin].compactMap({ $0 })
    {
      // Onto itself: only the flag that would close it goes.
      posix_spawn_file_actions_adddup2(&actions, descriptor, descriptor)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Our threads block the signals that one of them takes for all.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var arguments = CommandLine.arguments
    if !arguments.isEmpty { arguments[0] = program }
    var process = pid_t()
    let code = withCStrings(arguments) { arguments in
      withCStrings(environment(adding: value)) { environment in
        posix_spawn(&process, program, &actions, &attributes, arguments, environment)
      }
    }
    guard code == 0 else {
      throw GatewayError("\(program) cannot be started: \(String(cString: strerror(code)))")
    }
    return process
  }

  private func environment(adding value: String) -> [String] {
    var all: [String] = []
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if !text.hasPrefix(Inheritance.variable + "=") { all.append(text) }
      next += 1
    }
    return all + ["\(Inheritance.variable)=\(value)"]
  }
}

/// Runs `body` with a null-terminated list of C strings.
private func withCStrings<Result>(
  _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
  let list = texts.map { strdup($0) } + [nil]
  defer { for text in list { free(text) } }
  return body(list)
}
