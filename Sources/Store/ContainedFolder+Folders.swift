internal import CLinux
internal import Glibc

/// Folders below a contained one.
extension ContainedFolder {
  /// What lies in a folder below, sorted by the bytes of the names. `""` is the folder itself.
  ///
  /// - Parameter isWanted: Asked before each entry; false: those before it are enough.
  package func entries(
    _ relativePath: String, while isWanted: () -> Bool = { true }
  ) throws(StoreError) -> [FolderTree.Entry] {
    try FolderTree.entries(
      taking: try openFolder(relativePath), path: shown(relativePath), while: isWanted)
  }

  /// Whether anything is there, a dangling link too.
  ///
  /// - Throws: When it cannot be told, or the path leads out.
  package func exists(_ relativePath: String) throws(StoreError) -> Bool {
    let names = try plainNames(relativePath)
    guard let last = names.last else { return true }
    let above = try openExisting(names.dropLast(), relativePath)
    guard let above else { return false }
    defer { close(above) }
    var status = stat()
    if fstatat(above, last, &status, AT_SYMLINK_NOFOLLOW) == 0 { return true }
    if errno == ENOENT || errno == ENOTDIR { return false }
    throw .system(errno, path: shown(relativePath), operation: "look at")
  }

  /// What tells a folder below from every other.
  package func identity(
    of relativePath: String
  ) throws(StoreError) -> (device: UInt64, inode: UInt64) {
    let folder = try openFolder(relativePath)
    defer { close(folder) }
    let status = try status(folder, relativePath)
    return (UInt64(status.st_dev), UInt64(status.st_ino))
  }

  /// The device that the folder's files lie on.
  package func device() throws(StoreError) -> UInt64 {
    UInt64(try status(descriptor, "").st_dev)
  }

  /// Moves the folder or file `path`, which lies anywhere on the same file system, to
  /// `relativePath`, where nothing may be yet; makes the folders above it. All of it lasts when
  /// this returns.
  ///
  /// - Throws: `.exists` where something is there: nothing has moved.
  package func adopt(_ path: String, as relativePath: String) throws(StoreError) {
    let names = try plainNames(relativePath)
    guard let last = names.last else {
      throw .io(path: self.path, operation: "put a folder", reason: "it is the root")
    }
    let folder = try makeFolders(names.dropLast(), relativePath)
    defer { close(folder) }
    if swerve_rename_new_at(AT_FDCWD, path, folder, last) != 0 {
      let code = errno
      // Some file systems know no RENAME_NOREPLACE.
      guard code == EINVAL || code == ENOSYS else {
        throw renameError(code, relativePath)
      }
      var status = stat()
      guard fstatat(folder, last, &status, AT_SYMLINK_NOFOLLOW) != 0, errno == ENOENT else {
        throw renameError(EEXIST, relativePath)
      }
      guard renameat(AT_FDCWD, path, folder, last) == 0 else {
        throw renameError(errno, relativePath)
      }
    }
    guard fsync(folder) == 0 else {
      throw .system(errno, path: shown(relativePath), operation: "fsync the folder of")
    }
    try DurableFile.syncDirectory(DurableFile.parent(of: path))
  }

  /// Whether this process may make something at `relativePath`, with the folders above it that are
  /// missing.
  ///
  /// - Throws: Why not.
  package func checkWritable(_ relativePath: String) throws(StoreError) {
    var folder = try duplicate()
    defer { close(folder) }
    for name in try plainNames(relativePath).dropLast() {
      let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
      if next < 0 {
        guard errno == ENOENT else { throw folderError(errno, name, relativePath) }
        break
      }
      close(folder)
      folder = next
    }
    guard faccessat(folder, ".", W_OK | X_OK, AT_EACCESS) == 0 else {
      throw .system(errno, path: shown(relativePath), operation: "write")
    }
  }

  /// Makes the name of what lies at `relativePath` last.
  package func syncName(of relativePath: String) throws(StoreError) {
    let folder = try openExisting(try plainNames(relativePath).dropLast(), relativePath)
    guard let folder else {
      throw .system(ENOENT, path: shown(relativePath), operation: "open the folder of")
    }
    defer { close(folder) }
    guard fsync(folder) == 0 else {
      throw .system(errno, path: shown(relativePath), operation: "fsync the folder of")
    }
  }

  private func renameError(_ code: Int32, _ relativePath: String) -> StoreError {
    code == EEXIST || code == ENOTEMPTY
      ? .exists(path: shown(relativePath))
      : .system(code, path: shown(relativePath), operation: "rename to")
  }

  private func shown(_ relativePath: String) -> String {
    relativePath.isEmpty ? path : path + "/" + relativePath
  }

  private func openFolder(_ relativePath: String) throws(StoreError) -> Int32 {
    let folder = try openAny(relativePath.isEmpty ? "." : relativePath)
    guard FolderTree.kind(of: try status(folder, relativePath).st_mode) == .folder else {
      close(folder)
      throw .io(path: shown(relativePath), operation: "list", reason: "it is no folder")
    }
    return folder
  }

  /// The path's parts. Paths that are written to go down only, and over no link.
  private func plainNames(_ relativePath: String) throws(StoreError) -> [String] {
    let names = pathParts(relativePath).filter { !$0.isEmpty && $0 != "." }
    guard relativePath.utf8.first != UInt8(ascii: "/"), !names.contains(".."),
      !relativePath.utf8.contains(0)
    else { throw .escapes(path: relativePath, root: path) }
    return names
  }

  private func openExisting(
    _ names: ArraySlice<String>, _ relativePath: String
  ) throws(StoreError) -> Int32? {
    var folder = try duplicate()
    for name in names {
      let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
      let code = errno
      close(folder)
      guard next >= 0 else {
        if code == ENOENT { return nil }
        throw folderError(code, name, relativePath)
      }
      folder = next
    }
    return folder
  }

  private func makeFolders(
    _ names: ArraySlice<String>, _ relativePath: String
  ) throws(StoreError) -> Int32 {
    var folder = try duplicate()
    for name in names {
      if mkdirat(folder, name, 0o755) == 0 {
        guard fsync(folder) == 0 else {
          let code = errno
          close(folder)
          throw .system(code, path: shown(relativePath), operation: "fsync a folder above")
        }
      } else if errno != EEXIST {
        let code = errno
        close(folder)
        throw .system(code, path: shown(relativePath), operation: "make a folder for")
      }
      let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
      let code = errno
      close(folder)
      guard next >= 0 else { throw folderError(code, name, relativePath) }
      folder = next
    }
    return folder
  }

  private func duplicate() throws(StoreError) -> Int32 {
    let folder = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard folder >= 0 else { throw .system(errno, path: path, operation: "open this folder") }
    return folder
  }

  private func folderError(_ code: Int32, _ name: String, _ relativePath: String) -> StoreError {
    code == ELOOP || code == ENOTDIR
      ? .io(
        path: shown(relativePath), operation: "use this path",
        reason: "'\(name)' in it is no folder (links are not followed here)")
      : .system(code, path: shown(relativePath), operation: "open the folder of")
  }
}
