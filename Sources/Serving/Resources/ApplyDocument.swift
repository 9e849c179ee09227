#if canImport(Glibc)
  import Glibc
#endif

/// One document given to `apply`.
package struct ApplyDocument: Sendable {
  /// The file it came from, absolute; relative paths in it count from its folder.
  package var path: String
  package var text: String
  package var files: Files

  /// Where the files lie that a document names.
  package enum Files: Sendable, Equatable {
    /// On this machine, where its paths say.
    case asNamed
    /// Uploaded: the artifact, and by name what goes beside it. They go away after the apply.
    case uploaded(artifact: String, extraFiles: [String: String])
    /// On the machine that the document came from: it may name none.
    case absent
  }

  package init(path: String, text: String, files: Files = .asNamed) {
    self.path = path
    self.text = text
    self.files = files
  }

  /// Bytes that one document may have.
  package static let maxBytes = 4 << 20
  /// Documents that one folder may have.
  package static let maxDocuments = 10_000
  /// Folders below folders.
  private static let maxDepth = 32

  /// The folder that relative paths count from.
  package var folder: String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  /// Reads a file, or every `*.yml` and `*.yaml` (in any letter case) below a folder, in order
  /// of their paths. Names that begin with `.` are skipped: a mounted ConfigMap has `..data`.
  package static func read(_ path: String) throws(ControlError) -> [ApplyDocument] {
    let path = absolutePath(path)
    var status = stat()
    guard stat(path, &status) == 0 else { throw unreadable(path, errno) }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      return [ApplyDocument(path: path, text: try readText(path))]
    }
    var files: [String] = []
    try collect(path, into: &files, depth: 0)
    var documents: [ApplyDocument] = []
    for file in files.sorted() {
      documents.append(ApplyDocument(path: file, text: try readText(file)))
    }
    return documents
  }

  private static func collect(
    _ folder: String, into files: inout [String], depth: Int
  ) throws(ControlError) {
    guard depth < maxDepth else {
      throw .invalid(field: folder, reason: "folders are nested more than \(maxDepth) deep")
    }
    guard let stream = opendir(folder) else { throw unreadable(folder, errno) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    closedir(stream)
    for name in names.sorted() {
      let path = folder == "/" ? "/" + name : folder + "/" + name
      var status = stat()
      // A link into the folder above would never end; `maxDepth` ends it.
      guard stat(path, &status) == 0 else { continue }
      if status.st_mode & S_IFMT == S_IFDIR {
        try collect(path, into: &files, depth: depth + 1)
      } else if status.st_mode & S_IFMT == S_IFREG {
        let lower = name.lowercased()
        guard lower.hasSuffix(".yml") || lower.hasSuffix(".yaml") else { continue }
        guard files.count < maxDocuments else {
          throw .invalid(
            field: folder, reason: "there are more than \(maxDocuments) documents")
        }
        files.append(path)
      }
    }
  }

  private static func readText(_ path: String) throws(ControlError) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw unreadable(path, errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = block.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count == 0 { break }
      guard count > 0 else {
        if errno == EINTR { continue }
        throw unreadable(path, errno)
      }
      bytes += block[..<count]
      guard bytes.count <= maxBytes else {
        throw .invalid(field: path, reason: "the document is larger than \(maxBytes) bytes")
      }
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .invalid(field: path, reason: "the document is not valid UTF-8")
    }
    return text
  }

  private static func absolutePath(_ path: String) -> String {
    if path.hasPrefix("/") { return InlineModel.absolutePath(path, in: "/") }
    guard let current = getcwd(nil, 0) else { return path }
    defer { free(current) }
    return InlineModel.absolutePath(path, in: String(cString: current))
  }

  private static func unreadable(_ path: String, _ code: Int32) -> ControlError {
    .invalid(field: path, reason: "cannot read it: \(String(cString: strerror(code)))")
  }
}
