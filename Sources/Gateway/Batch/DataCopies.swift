internal import Digest
internal import Store

#if canImport(Glibc)
  internal import Glibc
#endif

/// Local files brought into the datastore, under `LocalUpload/<id>/<name>` as Azure's clients have
/// it. A copy appears whole, by one rename.
struct DataCopies {
  private let datastore: String

  init(datastore: String) { self.datastore = datastore }

  static let folder = "LocalUpload"

  /// - Returns: The copy's path below the datastore.
  func add(_ source: String, isFile: Bool) throws(StoreError) -> String {
    let id = SecureRandom.uuid()
    let all = datastore + "/" + Self.folder
    let aside = all + "/." + id
    let name = source.split(separator: "/").last.map { String($0) } ?? "data"
    do throws(StoreError) {
      try DurableFile.makeDirectory(aside)
      try copy(source, to: aside + "/" + name, isFile: isFile)
      try DurableFile.syncDirectory(aside)
      try DurableFile.rename(aside, to: all + "/" + id)
    } catch {
      // What cannot be removed now is collected at the next start.
      try? FolderTree.remove(aside)
      throw error
    }
    return "\(Self.folder)/\(id)/\(name)"
  }

  /// Removes what a copy that was cut off has left.
  func collectGarbage() throws(StoreError) {
    let all = datastore + "/" + Self.folder
    guard FolderTree.isFolder(all) else { return }
    for entry in try FolderTree.entries(all) where entry.name.hasPrefix(".") {
      try FolderTree.remove(all + "/" + entry.name)
    }
  }

  private func copy(_ source: String, to target: String, isFile: Bool) throws(StoreError) {
    var status = stat()
    guard stat(source, &status) == 0 else {
      throw .system(errno, path: source, operation: "read")
    }
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    guard isFolder != isFile, isFolder || status.st_mode & S_IFMT == S_IFREG else {
      throw .io(
        path: source, operation: "copy",
        reason: isFile ? "it is no file (type: uri_file)" : "it is no folder (type: uri_folder)")
    }
    if isFolder { try copyFolder(source, to: target) } else { try copyFile(source, to: target) }
  }

  private func copyFolder(_ source: String, to target: String) throws(StoreError) {
    try DurableFile.makeDirectory(target)
    for entry in try FolderTree.entries(source) {
      let path = source + "/" + entry.name
      switch entry.kind {
      case .folder: try copyFolder(path, to: target + "/" + entry.name)
      case .file: try copyFile(path, to: target + "/" + entry.name)
      case .link, .other:
        throw .io(path: path, operation: "copy", reason: "it is a link or no regular file")
      }
    }
    try DurableFile.syncDirectory(target)
  }

  private func copyFile(_ source: String, to target: String) throws(StoreError) {
    let file = open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    guard file >= 0 else { throw .system(errno, path: source, operation: "read") }
    defer { close(file) }
    try DurableFile.copy(from: file, to: target)
  }
}
