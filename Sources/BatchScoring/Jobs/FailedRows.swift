internal import Glibc
internal import Store

/// The list of rows that failed which a job leaves that failed itself.
///
/// Its output never appears, so the list goes to `.swerve/failed-rows/<job>/errors.jsonl` in the
/// default datastore, where no job may write its output: the list stands in nobody's way, and what is
/// there is the job's own.
package enum FailedRows {
  /// Of the datastore: the gateway's alone.
  package static let reserved = ".swerve"

  /// Of the gateway's folder: holds the lists of all jobs.
  package static let folderName = "failed-rows"

  /// The folder below the datastore.
  package static func folder(ofJob name: String) -> String { "\(reserved)/\(folderName)/\(name)" }

  /// The file below the datastore.
  package static func path(ofJob name: String) -> String {
    folder(ofJob: name) + "/" + OutputPaths.errorsName
  }

  /// Where the list of a job is; nil where it left none, as one does of which no row failed.
  package static func path(of job: Job, in datastore: String) -> String? {
    guard job.status == .failed else { return nil }
    let path = path(ofJob: job.order.name)
    // No link stands in for it.
    guard let found = realpath(datastore + "/" + path, nil) else { return nil }
    defer { free(found) }
    guard let root = realpath(datastore, nil) else { return nil }
    defer { free(root) }
    return String(cString: found) == String(cString: root) + "/" + path ? path : nil
  }

  /// Moves the list from a job's work folder to its place. What is there stays: this job may have
  /// put it there before a crash, and nothing else is ever written over.
  ///
  /// - Parameter byteCount: Of the list, what the job's counts tell of. Where a job was killed, and
  ///   failed before it went on, more may lie there.
  /// - Throws: When the list is still in the work folder.
  static func keep(
    from work: WorkFolder, ofJob name: String, byteCount: Int, in datastore: String
  ) throws(BatchError) {
    let list = OutputPaths.errors(in: work.score)
    var status = stat()
    guard byteCount > 0, lstat(list, &status) == 0, status.st_size > 0 else { return }
    do throws(StoreError) {
      let root = try ContainedFolder(datastore)
      try cut(list, to: min(byteCount, Int(status.st_size)), from: Int(status.st_size))
      try DurableFile.syncFile(list)
      if try root.device() == UInt64(status.st_dev) {
        try root.adopt(list, as: path(ofJob: name))
      } else {
        try copy(list, ofJob: name, into: root)
      }
    } catch .exists {
      return
    } catch {
      throw BatchError(error)
    }
  }

  /// Cuts the list off behind the last whole line within `byteCount` bytes.
  private static func cut(
    _ list: String, to byteCount: Int, from fileByteCount: Int
  ) throws(StoreError) {
    let file = open(list, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { throw .system(errno, path: list, operation: "open") }
    defer { close(file) }
    var end = byteCount
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while end > 0 {
      let start = max(0, end - block.count)
      let count = pread(file, &block, end - start, off_t(start))
      guard count == end - start else { throw .system(errno, path: list, operation: "read") }
      if let last = block[..<count].lastIndex(of: UInt8(ascii: "\n")) {
        end = start + last + 1
        break
      }
      end = start
    }
    if end < fileByteCount, ftruncate(file, off_t(end)) != 0 {
      throw .system(errno, path: list, operation: "cut")
    }
  }

  /// A rename does not cross file systems.
  private static func copy(
    _ list: String, ofJob name: String, into root: ContainedFolder
  ) throws(StoreError) {
    let aside = root.path + "/.swerve-errors-" + name
    try FolderTree.remove(aside)
    let file = open(list, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { throw .system(errno, path: list, operation: "open") }
    defer { close(file) }
    do throws(StoreError) {
      try DurableFile.copy(from: file, to: aside)
      try root.adopt(aside, as: path(ofJob: name))
    } catch {
      unlink(aside)
      throw error
    }
  }
}
