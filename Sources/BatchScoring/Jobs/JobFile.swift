internal import Glibc

/// A file of a job's input as it was when the job began.
struct JobFile: Sendable, Equatable {
  /// Below the input's folder; for an input that is one file, its name.
  var path: String
  var stamp: FileStamp
  /// nil until it has been read to its end.
  var result: Result?

  struct Result: Sendable, Equatable {
    var sha256: String
    var rowCount: Int
    var failedCount: Int
    /// Its own file of predictions, where each has one.
    var output: JobProgress.FileState?
  }
}

/// What tells a file from another one in its place, and from itself before a change.
///
/// The device is no part of it: its number may be another one after the next start. Nor is the time
/// of the last change of any kind, which a `chmod` moves too: `WatchedFile` looks closer then.
struct FileStamp: Sendable, Equatable {
  var byteCount: Int
  /// Nanoseconds since 1970.
  var modifiedAt: Int64
  var inode: Int64

  init(byteCount: Int, modifiedAt: Int64, inode: Int64) {
    (self.byteCount, self.modifiedAt, self.inode) = (byteCount, modifiedAt, inode)
  }

  init(descriptor: Int32, file: String) throws(BatchError) {
    self = try Self.look(descriptor, file: file).stamp
  }

  /// The stamp, and the time of the last change of any kind.
  static func look(
    _ descriptor: Int32, file: String
  ) throws(BatchError) -> (stamp: FileStamp, changedAt: Int64) {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system(errno, "looking at \(file)") }
    let stamp = FileStamp(
      byteCount: Int(status.st_size), modifiedAt: nanoseconds(status.st_mtim),
      inode: Int64(bitPattern: UInt64(status.st_ino)))
    return (stamp, nanoseconds(status.st_ctim))
  }

  /// Since 1970.
  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }

  /// How `now` differs; nil when it is the same file, unchanged.
  func difference(to now: FileStamp) -> String? {
    if inode != now.inode { return "another file is in its place" }
    if byteCount != now.byteCount {
      return "it had \(byteCount) bytes when the job began and has \(now.byteCount)"
    }
    if modifiedAt != now.modifiedAt { return "it was modified after the job began" }
    return nil
  }
}
