internal import Digest
internal import Glibc
internal import Store

/// What the files of a registration look like from outside: sizes, times, inodes. Two equal
/// stamps mean the same content, found out without reading it.
package struct SourceStamp: Sendable, Equatable {
  /// SHA-256 over path, size, times, device and inode of each file.
  package var text: String
  /// False when a file was changed so lately that the next change could bear the same time: then
  /// an equal stamp proves nothing.
  package var isSettled: Bool

  /// File systems count time in steps of up to two seconds.
  private static let settlingSeconds = 2

  init(_ source: PackageSource, now: Int) throws(RegistryError) {
    var lines = SHA256()
    var newest = Int.min
    // The document's own text is compared by itself.
    for file in source.files where file.packagePath != ModelYAML.fileName {
      let descriptor = try file.open()
      defer { close(descriptor) }
      var status = stat()
      guard fstat(descriptor, &status) == 0 else {
        throw .unreadable(path: file.path, reason: String(cString: strerror(errno)))
      }
      let line =
        "\(file.packagePath) \(status.st_size) \(status.st_mtim.tv_sec).\(status.st_mtim.tv_nsec) "
        + "\(status.st_ctim.tv_sec).\(status.st_ctim.tv_nsec) \(status.st_dev) \(status.st_ino)\n"
      lines.update(Array(line.utf8).span.bytes)
      // The kernel sets the time of change; nobody can set it back.
      newest = max(newest, status.st_ctim.tv_sec, status.st_mtim.tv_sec)
    }
    text = lines.hex()
    isSettled = newest < now - Self.settlingSeconds
  }
}

extension ModelRegistry {
  package func stamp(of registration: ModelRegistration) throws(RegistryError) -> SourceStamp {
    try SourceStamp(try PackageSource(registration), now: Glibc.time(nil))
  }

  /// The content hash that `stage` would find, from the files where they lie.
  package func contentHash(
    of registration: ModelRegistration
  ) throws(RegistryError) -> String {
    PackageManifest.contentHash(of: try store.files(of: try PackageSource(registration)))
  }
}
