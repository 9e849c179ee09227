internal import CLinux
internal import Glibc

/// A folder that paths from outside cannot leave (`openat2` with `RESOLVE_BENEATH`).
///
/// Links inside the folder are followed as long as they stay in it. Where the kernel, or a
/// container's filter, has no `openat2`, every link is refused instead.
package final class ContainedFolder: Sendable {
  package let path: String
  let descriptor: Int32

  package init(_ path: String) throws(StoreError) {
    let descriptor = Glibc.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw .system(errno, path: path, operation: "open this folder")
    }
    self.path = path
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Opens a regular file below the folder, read only. The caller closes it.
  package func open(_ relativePath: String) throws(StoreError) -> Int32 {
    let file = try openAny(relativePath)
    guard FolderTree.kind(of: try status(file, relativePath).st_mode) == .file else {
      close(file)
      throw .io(
        path: path + "/" + relativePath, operation: "open", reason: "it is not a regular file")
    }
    return file
  }

  /// What `relativePath` is, links followed, and its size.
  package func kind(
    of relativePath: String
  ) throws(StoreError) -> (kind: FolderTree.Entry.Kind, byteCount: Int) {
    let file = try openAny(relativePath)
    defer { close(file) }
    let status = try status(file, relativePath)
    return (FolderTree.kind(of: status.st_mode), Int(status.st_size))
  }

  /// Reads a whole file below the folder.
  package func read(
    _ relativePath: String, maxBytes: Int
  ) throws(StoreError) -> [UInt8] {
    let file = try open(relativePath)
    defer { close(file) }
    let wanted = try status(file, relativePath).st_size
    guard wanted <= maxBytes else {
      throw .io(
        path: path + "/" + relativePath, operation: "read",
        reason: "it has \(wanted) bytes; \(maxBytes) are allowed")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(Int(wanted))
    var block = [UInt8](repeating: 0, count: 64 << 10)
    while bytes.count <= maxBytes {
      let count = Glibc.read(file, &block, block.count)
      if count == 0 { return bytes }
      if count > 0 {
        bytes.append(contentsOf: block[..<count])
      } else if errno != EINTR {
        throw .system(errno, path: path + "/" + relativePath, operation: "read")
      }
    }
    throw .io(
      path: path + "/" + relativePath, operation: "read", reason: "it grows while it is read")
  }

  /// Makes a new empty file below the folder, and the folders above it that are missing. No link is
  /// followed. The caller closes it.
  package func create(_ relativePath: String) throws(StoreError) -> Int32 {
    try openToWrite(relativePath, isNew: true)
  }

  /// Opens a file below the folder, write only. No link is followed. The caller closes it.
  package func openToWrite(_ relativePath: String) throws(StoreError) -> Int32 {
    try openToWrite(relativePath, isNew: false)
  }

  private func openToWrite(_ relativePath: String, isNew: Bool) throws(StoreError) -> Int32 {
    let names = pathParts(relativePath)
    guard !names.contains(where: { $0 == ".." || $0.isEmpty }) else {
      throw .escapes(path: relativePath, root: path)
    }
    guard let last = names.last, last != ".", !relativePath.utf8.contains(0) else {
      throw .io(path: path + "/" + relativePath, operation: "write", reason: "no name of a file")
    }
    var folder = descriptor
    defer { if folder != descriptor { close(folder) } }
    for name in names.dropLast() {
      if isNew, mkdirat(folder, name, 0o755) != 0, errno != EEXIST {
        throw .system(errno, path: path + "/" + relativePath, operation: "make a folder for")
      }
      let next = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
      guard next >= 0 else {
        throw .system(errno, path: path + "/" + relativePath, operation: "open the folder of")
      }
      if folder != descriptor { close(folder) }
      folder = next
    }
    let flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
    let file = openat(folder, last, isNew ? flags | O_CREAT | O_EXCL : flags, 0o600)
    guard file >= 0 else {
      throw .system(errno, path: path + "/" + relativePath, operation: isNew ? "create" : "write")
    }
    return file
  }

  func status(_ file: Int32, _ relativePath: String) throws(StoreError) -> stat {
    var status = stat()
    guard fstat(file, &status) == 0 else {
      throw .system(errno, path: path + "/" + relativePath, operation: "look at")
    }
    return status
  }

  func openAny(_ relativePath: String) throws(StoreError) -> Int32 {
    guard !relativePath.isEmpty, !relativePath.utf8.contains(0) else {
      throw .io(path: path + "/" + relativePath, operation: "open", reason: "no name of a file")
    }
    // Without O_NONBLOCK a FIFO would wait for its writer.
    let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
    for _ in 0..<100 {
      let file = swerve_open_beneath(descriptor, relativePath, flags)
      if file >= 0 { return file }
      switch errno {
      // The kernel could not rule out that a rename led the path out meanwhile.
      case EAGAIN: continue
      case EXDEV: throw .escapes(path: relativePath, root: path)
      case ENOSYS, EPERM: return try openWithoutLinks(relativePath, flags: flags)
      case let code:
        throw .system(code, path: path + "/" + relativePath, operation: "open")
      }
    }
    throw .io(
      path: path + "/" + relativePath, operation: "open", reason: "it changes while it is opened")
  }

  /// Walks down one name at a time and follows no link.
  func openWithoutLinks(_ relativePath: String, flags: Int32) throws(StoreError) -> Int32 {
    guard relativePath.utf8.first != UInt8(ascii: "/") else {
      throw .escapes(path: relativePath, root: path)
    }
    let names = pathParts(relativePath).filter { !$0.isEmpty && $0 != "." }
    guard !names.contains("..") else { throw .escapes(path: relativePath, root: path) }
    var folder = descriptor
    defer { if folder != descriptor { close(folder) } }
    for (index, name) in names.enumerated() {
      let isLast = index == names.count - 1
      let next = openat(
        folder, name, (isLast ? flags : O_RDONLY | O_DIRECTORY | O_CLOEXEC) | O_NOFOLLOW)
      guard next >= 0 else {
        if errno == ELOOP { throw .escapes(path: relativePath, root: path) }
        throw .system(errno, path: path + "/" + relativePath, operation: "open")
      }
      if isLast { return next }
      if folder != descriptor { close(folder) }
      folder = next
    }
    return dup(descriptor)
  }
}
