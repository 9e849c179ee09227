internal import Glibc

/// A copy of a database that no process has open, in a temporary folder that goes with it.
///
/// SQLite makes files beside a database even to read it, and what a killed process left in the
/// log is written back by whoever opens it next: so that nothing is changed, a copy is opened.
final class DatabaseCopy: Sendable {
  private let folder: String
  var path: String { folder + "/swerve.db" }

  private static let maxAttempts = 5
  /// The log holds what is not yet in the database itself.
  private static let endings = ["", "-wal"]

  init(of original: String) throws(StoreError) {
    let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var template = Array("\(parent)/swerve-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw .system(errno, path: parent, operation: "make a folder in")
    }
    folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    // A gateway that starts meanwhile writes to the files: then once more.
    for _ in 0..<Self.maxAttempts {
      let before = Self.state(of: original)
      for ending in Self.endings { try Self.copy(original + ending, to: path + ending) }
      if Self.state(of: original) == before { return }
    }
    throw .database(reason: "\(original) changes while it is copied; is a gateway starting?")
  }

  deinit {
    do throws(StoreError) {
      try FolderTree.remove(folder)
    } catch {
      // A temporary folder is collected by the system.
    }
  }

  private static func copy(_ source: String, to target: String) throws(StoreError) {
    try FolderTree.remove(target)
    let file = open(source, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else {
      if errno == ENOENT { return }
      throw .system(errno, path: source, operation: "open")
    }
    defer { close(file) }
    try DurableFile.copy(from: file, to: target)
  }

  /// Size and times of each file.
  private static func state(of original: String) -> [[Int]] {
    endings.map { ending in
      var status = stat()
      guard stat(original + ending, &status) == 0 else { return [] }
      return [status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    }
  }
}
