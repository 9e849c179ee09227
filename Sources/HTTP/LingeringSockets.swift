internal import Glibc
internal import Synchronization

/// Sockets of refused requests that stay open for a moment after their answer.
///
/// A socket closed with unread bytes in it sends a reset, and a reset takes the answer away from
/// a client that is still sending its body. So the socket is kept for two seconds at most, and
/// what comes is thrown away.
final class LingeringSockets: Sendable {
  private struct Socket {
    var descriptor: Int32
    var deadline: UInt64
  }

  private static let maxSockets = 256
  private static let maxTime: UInt64 = 2_000_000_000
  private let sockets = Mutex<[Socket]>([])
  private let wakes = WakePipe()

  /// Keeps a duplicate of `descriptor`.
  func keep(_ descriptor: Int32) {
    let duplicate = fcntl(descriptor, F_DUPFD_CLOEXEC, 0)
    guard duplicate >= 0 else { return }
    shutdown(duplicate, Int32(SHUT_WR))
    let deadline = monotonicNanoseconds() + Self.maxTime
    let isKept = sockets.withLock { list in
      guard list.count < Self.maxSockets else { return false }
      list.append(Socket(descriptor: duplicate, deadline: deadline))
      return true
    }
    if isKept { wake() } else { close(duplicate) }
  }

  /// Ends a `drain` that is waiting.
  func wake() { wakes.wake() }

  /// Waits for bytes on the sockets, throws them away, and closes sockets that are done.
  func drain(waitingMs: Int32) {
    let list = sockets.withLock { $0 }
    var polls = list.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
    polls.append(pollfd(fd: wakes.reader, events: Int16(POLLIN), revents: 0))
    guard unsafe poll(&polls, nfds_t(polls.count), waitingMs) >= 0 else { return }
    if polls[list.count].revents != 0 { wakes.clear() }
    guard !list.isEmpty else { return }
    let now = monotonicNanoseconds()
    var done: Set<Int32> = []
    for (index, socket) in list.enumerated() {
      let isOver = polls[index].revents != 0 && !discardInput(socket.descriptor)
      if isOver || now >= socket.deadline { done.insert(socket.descriptor) }
    }
    sockets.withLock { $0.removeAll { done.contains($0.descriptor) } }
    for descriptor in done { close(descriptor) }
  }

  func closeAll() {
    let list = sockets.withLock { list in
      defer { list = [] }
      return list
    }
    for socket in list { close(socket.descriptor) }
  }

  /// False at the end of the stream.
  private func discardInput(_ descriptor: Int32) -> Bool {
    unsafe withUnsafeTemporaryAllocation(byteCount: 65_536, alignment: 16) { scratch in
      for _ in 0..<16 {
        let count = unsafe recv(
          descriptor, scratch.baseAddress, scratch.count, Int32(MSG_DONTWAIT))
        if count == 0 { return false }
        if count < 0 { return errno == EAGAIN || errno == EINTR }
      }
      return true
    }
  }
}
