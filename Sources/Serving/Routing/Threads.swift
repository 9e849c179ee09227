internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#endif

/// Threads of ours, to be joined. Blocking work sits here, never on a cooperative task.
package final class Threads: Sendable {
  private let started = Mutex<[pthread_t]>([])

  package init() {}

  /// - Parameter name: Seen in `top`; 15 bytes at most.
  package func start(name: StaticString, _ body: @escaping @Sendable () -> Void) {
    let code = tryStart(name: name, body)
    precondition(code == 0, "pthread_create: \(String(cString: strerror(code)))")
  }

  /// The same where the system may have no thread left, as in a container with a limit.
  ///
  /// - Returns: 0, or why there is none.
  package func tryStart(name: StaticString, _ body: @escaping @Sendable () -> Void) -> Int32 {
    var thread = pthread_t()
    let start = Unmanaged.passRetained(Start(name: name, body: body))
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let start = Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        setThreadName(start.name)
        start.body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      return code
    }
    started.withLock { $0.append(thread) }
    return 0
  }

  /// Waits until all of them have ended.
  package func join() {
    let threads = started.withLock { threads in
      defer { threads = [] }
      return threads
    }
    for thread in threads { pthread_join(thread, nil) }
  }

  private final class Start: Sendable {
    let name: StaticString
    let body: @Sendable () -> Void

    init(name: StaticString, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
}

/// Names the calling thread as `top` shows it. (`pthread_setname_np` is not visible to Swift.)
private func setThreadName(_ name: StaticString) {
  let descriptor = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return }
  _ = write(descriptor, name.utf8Start, name.utf8CodeUnitCount)
  close(descriptor)
}
