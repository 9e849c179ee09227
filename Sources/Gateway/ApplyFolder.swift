package import Serving

#if canImport(Glibc)
  internal import Glibc
#endif

/// Reads the documents that `apply` and `serve --apply` are given.
package enum ApplyFolder {
  private static let maxDocumentBytes = 4 << 20
  private static let maxDepth = 16

  /// - Parameter path: A file of any name, or a folder: every `*.yml` and `*.yaml` below it, in
  ///   the order of their paths. Names that begin with `.` are skipped (a mounted ConfigMap has
  ///   `..data`).
  package static func documents(_ path: String) throws(GatewayError) -> [ApplyDocument] {
    guard let real = realpath(path, nil) else {
      throw GatewayError("\(path): \(lastErrorText())")
    }
    defer { free(real) }
    let root = String(cString: real)
    var files: [String] = []
    if isFolder(root) {
      try collect(root, depth: 0, into: &files)
    } else {
      files = [root]
    }
    var documents: [ApplyDocument] = []
    for file in files {
      let bytes = try fileBytes(file, maxBytes: maxDocumentBytes)
      guard let text = String(validating: bytes, as: UTF8.self) else {
        throw GatewayError("\(file) is no UTF-8 text")
      }
      documents.append(ApplyDocument(path: file, text: text))
    }
    return documents
  }

  private static func collect(
    _ folder: String, depth: Int, into files: inout [String]
  ) throws(GatewayError) {
    guard depth < maxDepth else {
      throw GatewayError("\(folder): folders are nested deeper than \(maxDepth)")
    }
    for name in try names(in: folder) {
      let path = folder + "/" + name
      if isFolder(path) {
        try collect(path, depth: depth + 1, into: &files)
      } else if [".yml", ".yaml"].contains(where: { name.lowercased().hasSuffix($0) }) {
        files.append(path)
      }
    }
  }

  private static func names(in folder: String) throws(GatewayError) -> [String] {
    guard let stream = opendir(folder) else {
      throw GatewayError("\(folder): \(lastErrorText())")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
