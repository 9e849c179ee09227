internal import Glibc

/// What lies in a folder, and how it is removed.
package enum FolderTree {
  /// One name in a folder. Links are not followed.
  package struct Entry: Sendable, Equatable {
    package enum Kind: Sendable { case file, folder, link, other }
    package var name: String
    package var kind: Kind
    package var byteCount: Int
  }

  /// The entries of a folder, sorted by the bytes of their names, without `.` and `..`.
  ///
  /// - Throws: `.io` too for a name that is no UTF-8: it could not be written in a manifest.
  package static func entries(_ path: String) throws(StoreError) -> [Entry] {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .system(errno, path: path, operation: "list") }
    return try entries(taking: descriptor, path: path)
  }

  /// The same of an open folder, which is closed.
  ///
  /// - Parameters:
  ///   - path: What errors call it.
  ///   - isWanted: Asked before each entry; false: those before it are enough.
  static func entries(
    taking descriptor: Int32, path: String, while isWanted: () -> Bool = { true }
  ) throws(StoreError) -> [Entry] {
    guard let folder = fdopendir(descriptor) else {
      let code = errno
      close(descriptor)
      throw .system(code, path: path, operation: "list")
    }
    defer { closedir(folder) }
    var entries: [Entry] = []
    while isWanted() {
      errno = 0
      guard let item = readdir(folder) else {
        guard errno == 0 else { throw .system(errno, path: path, operation: "list") }
        break
      }
      let found = withUnsafePointer(to: &item.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(validatingCString: $0) }
      }
      guard let name = found else {
        throw .io(path: path, operation: "list", reason: "a name in it is not UTF-8")
      }
      if name == "." || name == ".." { continue }
      var status = stat()
      guard fstatat(dirfd(folder), name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
        if errno == ENOENT { continue }
        throw .system(errno, path: path + "/" + name, operation: "look at")
      }
      entries.append(
        Entry(name: name, kind: kind(of: status.st_mode), byteCount: Int(status.st_size)))
    }
    return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  /// Removes a file, or a folder with all that is in it; links are removed, not followed. Nothing
  /// there is no error.
  package static func remove(_ path: String) throws(StoreError) {
    if unlink(path) == 0 || errno == ENOENT { return }
    guard errno == EISDIR || errno == EPERM, isFolder(path) else {
      throw .system(errno, path: path, operation: "remove")
    }
    for entry in try entries(path) { try remove(path + "/" + entry.name) }
    guard rmdir(path) == 0 || errno == ENOENT else {
      throw .system(errno, path: path, operation: "remove")
    }
  }

  /// Whether anything is there, a dangling link too.
  package static func exists(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  /// Whether a folder is there. Links are not followed.
  package static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && kind(of: status.st_mode) == .folder
  }

  static func kind(of mode: mode_t) -> Entry.Kind {
    switch mode & S_IFMT {
    case S_IFREG: .file
    case S_IFDIR: .folder
    case S_IFLNK: .link
    default: .other
    }
  }
}
