internal import Glibc
internal import Synchronization

/// Holds a workspace for one process: `flock` on a file in it, freed by the kernel at exit.
package final class WorkspaceLock: Sendable {
  private let workspace: String
  private let file = Mutex<Int32?>(nil)

  /// - Throws: `.locked` with the holder's process when another one has it.
  package init(workspace: String) throws(StoreError) {
    self.workspace = workspace
    try acquire()
  }

  deinit { release() }

  /// Takes the lock again that `release` gave up.
  ///
  /// - Throws: `.locked` with the holder's process when another one has it.
  package func acquire() throws(StoreError) {
    let path = workspace + "/lock"
    // `holder(of:)` may have the lock for an instant, and a gateway that was just killed for as
    // long as the kernel needs to end it.
    for attempt in 0..<50 {
      if attempt > 0 { usleep(5_000) }
      if let file = try Self.tryLock(path) {
        self.file.withLock { $0 = file }
        return
      }
    }
    throw .locked(path: workspace, holder: Self.recordedHolder(path))
  }

  /// Gives the workspace to the next process. What this one still does must not touch it.
  package func release() {
    file.withLock { file in
      if let open = file {
        ftruncate(open, 0)
        close(open)
      }
      file = nil
    }
  }

  /// The process that holds the workspace's lock; nil when none does. 0 when its number is not
  /// known.
  package static func holder(of workspace: String) -> Int32? {
    let path = workspace + "/lock"
    for _ in 0..<5 {
      let file = open(path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { return nil }
      let isFree = flock(file, LOCK_SH | LOCK_NB) == 0
      close(file)
      if isFree { return nil }
      if let process = recordedHolder(path) { return process }
      // It has the lock and has not yet written who it is.
      usleep(5_000)
    }
    return 0
  }

  /// The locked file; nil when another process has it.
  private static func tryLock(_ path: String) throws(StoreError) -> Int32? {
    let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw .system(errno, path: path, operation: "open this lock") }
    guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
      let code = errno
      close(file)
      if code == EWOULDBLOCK || code == EINTR { return nil }
      throw .system(code, path: path, operation: "lock")
    }
    // Somebody may have removed the file between the two calls: then this lock guards nothing.
    var ours = stat()
    var named = stat()
    guard fstat(file, &ours) == 0, stat(path, &named) == 0, ours.st_ino == named.st_ino else {
      close(file)
      return nil
    }
    let process = Array("\(getpid())\n".utf8)
    guard ftruncate(file, 0) == 0, pwrite(file, process, process.count, 0) == process.count else {
      let code = errno
      close(file)
      throw .system(code, path: path, operation: "write")
    }
    return file
  }

  private static func recordedHolder(_ path: String) -> Int32? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 32)
    let count = read(file, &bytes, bytes.count)
    guard count > 0 else { return nil }
    let digits = bytes[..<count].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    return Int32(String(decoding: digits, as: UTF8.self))
  }
}
