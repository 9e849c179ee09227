internal import CLinux
internal import Glibc

/// Files that survive a power cut: written aside, fsynced, renamed, the directory fsynced.
///
/// An fsync that failed is never repeated: Linux has dropped the pages and would report success.
/// What was being written is thrown away, and whoever asked hears of it.
package enum DurableFile {
  /// Puts `bytes` at `path` as a whole: a reader, and a machine that comes back after a power
  /// cut, finds the old file or the new one.
  package static func write(
    _ bytes: [UInt8], to path: String, mode: UInt32 = 0o644
  ) throws(StoreError) {
    let aside =
      parent(of: path) + "/." + lastComponent(of: path) + ".\(UInt64.random(in: 0 ... .max))"
    do throws(StoreError) {
      try writeFile(bytes, to: aside, mode: mode)
      guard Glibc.rename(aside, path) == 0 else {
        throw StoreError.system(errno, path: path, operation: "rename a new file to it")
      }
    } catch {
      unlink(aside)
      throw error
    }
    try syncDirectory(parent(of: path))
  }

  /// Makes the file `path`, which must not exist, and fsyncs it; its directory is the caller's.
  package static func writeFile(
    _ bytes: [UInt8], to path: String, mode: UInt32
  ) throws(StoreError) {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode))
    guard file >= 0 else { throw .system(errno, path: path, operation: "create") }
    defer { Glibc.close(file) }
    try write(bytes.span, to: file, path: path)
    guard fsync(file) == 0 else { throw .system(errno, path: path, operation: "fsync") }
  }

  /// Writes all of `bytes` at the descriptor's position.
  package static func write(
    _ bytes: Span<UInt8>, to file: Int32, path: String
  ) throws(StoreError) {
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Glibc.write(file, buffer.baseAddress.map { $0 + written }, bytes.count - written)
      }
      if count > 0 {
        written += count
      } else if count == 0 || errno != EINTR {
        throw .system(count == 0 ? EIO : errno, path: path, operation: "write")
      }
    }
  }

  /// Fsyncs every file and directory below `path`, then `path`.
  package static func syncTree(_ path: String) throws(StoreError) {
    for entry in try FolderTree.entries(path) where entry.kind != .other {
      switch entry.kind {
      case .folder: try syncTree(path + "/" + entry.name)
      case .file: try sync(path + "/" + entry.name)
      case .link, .other: break
      }
    }
    try syncDirectory(path)
  }

  /// Renames and fsyncs both parents. `target` must not exist.
  package static func rename(_ path: String, to target: String) throws(StoreError) {
    if swerve_rename_new(path, target) != 0 {
      let code = errno
      // Some file systems know no RENAME_NOREPLACE.
      guard code == EINVAL || code == ENOSYS else {
        throw .system(code, path: path, operation: "rename to \(target)")
      }
      guard !FolderTree.exists(target) else {
        throw .system(EEXIST, path: path, operation: "rename to \(target)")
      }
      guard Glibc.rename(path, target) == 0 else {
        throw .system(errno, path: path, operation: "rename to \(target)")
      }
    }
    try syncDirectory(parent(of: target))
    if parent(of: path) != parent(of: target) { try syncDirectory(parent(of: path)) }
  }

  /// Fsyncs one file.
  package static func syncFile(_ path: String) throws(StoreError) {
    try sync(path)
  }

  /// Makes the names in a directory last.
  package static func syncDirectory(_ path: String) throws(StoreError) {
    try sync(path, flags: O_DIRECTORY)
  }

  /// Makes the directory and those above it that are missing, and makes their names last.
  package static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws(StoreError) {
    if mkdir(path, mode_t(mode)) == 0 { return try syncDirectory(parent(of: path)) }
    switch errno {
    case EEXIST:
      guard FolderTree.isFolder(path) else {
        throw .io(path: path, operation: "make this directory", reason: "a file is in its place")
      }
    case ENOENT where parent(of: path) != path:
      try makeDirectory(parent(of: path), mode: mode)
      try makeDirectory(path, mode: mode)
    case let code:
      throw .system(code, path: path, operation: "make this directory")
    }
  }

  private static func sync(_ path: String, flags: Int32 = 0) throws(StoreError) {
    let file = open(path, O_RDONLY | O_CLOEXEC | flags)
    guard file >= 0 else { throw .system(errno, path: path, operation: "open to fsync") }
    defer { Glibc.close(file) }
    guard fsync(file) == 0 else { throw .system(errno, path: path, operation: "fsync") }
  }

  /// The folder a path lies in.
  package static func parent(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
    return slash == path.utf8.startIndex ? "/" : String(path[..<slash])
  }

  private static func lastComponent(of path: String) -> Substring {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path[...] }
    return path[path.utf8.index(after: slash)...]
  }
}

extension DurableFile {
  /// Copies what is left of an open file to the new file `path`, in the kernel where it can, and
  /// fsyncs it. Its directory is the caller's.
  package static func copy(
    from source: Int32, to path: String, mode: UInt32 = 0o644
  ) throws(StoreError) {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode_t(mode))
    guard file >= 0 else { throw .system(errno, path: path, operation: "create") }
    defer { Glibc.close(file) }
    var isInKernel = true
    var block: [UInt8] = []
    while true {
      if isInKernel {
        let count = swerve_copy_file_range(source, file, 16 << 20)
        if count > 0 { continue }
        if count < 0, errno == EINTR { continue }
        if count < 0, errno == ENOSPC || errno == EDQUOT || errno == EIO {
          throw .system(errno, path: path, operation: "write")
        }
        // The end, or file systems between which the kernel does not copy: reading tells.
        isInKernel = false
        block = [UInt8](repeating: 0, count: 1 << 20)
      }
      let count = Glibc.read(source, &block, block.count)
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        throw .system(errno, path: path, operation: "read what is copied to it")
      }
      try write(block.span.extracting(first: count), to: file, path: path)
    }
    guard fsync(file) == 0 else { throw .system(errno, path: path, operation: "fsync") }
  }
}
