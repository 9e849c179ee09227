internal import Glibc
internal import Store

/// The files that a registration names, and what each is called in the package. Also what a
/// client sends to a gateway on another machine.
package struct PackageSource {
  /// A file to be copied.
  package struct File {
    /// In the package, `/` between parts.
    package var packagePath: String
    /// The folder it must stay in; nil for a file that was named itself.
    var folder: ContainedFolder?
    var path: String

    /// Opens it. The caller closes it.
    package func open() throws(RegistryError) -> Int32 {
      do throws(StoreError) {
        if let folder { return try folder.open(path) }
      } catch {
        throw .source(error)
      }
      let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
      guard file >= 0 else {
        throw .unreadable(path: path, reason: String(cString: strerror(errno)))
      }
      var status = stat()
      guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        close(file)
        throw .unreadable(path: path, reason: "it is not a regular file")
      }
      return file
    }
  }

  static let maxFiles = 10_000
  static let maxDepth = 32

  /// A file's or folder's name in the package.
  package let artifact: String
  package private(set) var files: [File] = []

  package init(_ registration: ModelRegistration) throws(RegistryError) {
    guard let resolved = realpath(registration.path, nil) else {
      throw .unreadable(path: registration.path, reason: String(cString: strerror(errno)))
    }
    let path = String(cString: resolved)
    free(resolved)
    if FolderTree.isFolder(path) {
      artifact = Self.lastName(path)
      do throws(StoreError) {
        let folder = try ContainedFolder(path)
        try collect(folder, "", depth: 0)
      } catch {
        throw .source(error)
      }
      guard !files.isEmpty else { throw .unreadable(path: path, reason: "the folder is empty") }
    } else {
      // The name it was given by, not that of what a link leads to (`model.onnx -> ..data/x`).
      artifact = Self.lastName(registration.path)
      files = [File(packagePath: artifact, folder: nil, path: path)]
    }
    for (name, extra) in registration.extraFiles.sorted(by: { $0.key < $1.key }) {
      try Self.checkTopName(name)
      files.append(File(packagePath: name, folder: nil, path: extra))
    }
    try Self.checkTopName(artifact)
    guard !registration.extraFiles.keys.contains(artifact) else {
      throw .refused(reason: "the artifact \(path) has the name of another file of the package")
    }
  }

  private static func checkTopName(_ name: String) throws(RegistryError) {
    guard !name.isEmpty, !name.hasPrefix(".."), name != ".", !name.utf8.contains(0x2f) else {
      throw .invalidName(name, reason: "it cannot be the name of a file of a package")
    }
    guard name != PackageManifest.fileName else {
      throw .invalidName(name, reason: "each package has a file of that name of its own")
    }
  }

  private static func lastName(_ path: String) -> String {
    path.split(separator: "/").last.map(String.init) ?? ""
  }

  private mutating func collect(
    _ folder: ContainedFolder, _ relative: String, depth: Int
  ) throws(StoreError) {
    guard depth < Self.maxDepth else {
      throw .io(
        path: folder.path + "/" + relative, operation: "list",
        reason: "it lies deeper than \(Self.maxDepth) folders; does a link lead round in a circle?")
    }
    for entry in try FolderTree.entries(folder.path + "/" + relative) {
      // A mounted ConfigMap keeps its versions in `..data` and links to them from beside it.
      if entry.name.hasPrefix("..") { continue }
      let path = relative.isEmpty ? entry.name : relative + "/" + entry.name
      switch entry.kind == .link ? try folder.kind(of: path).kind : entry.kind {
      case .file:
        guard files.count < Self.maxFiles else {
          throw .io(
            path: folder.path, operation: "take it as a model",
            reason: "it has more than \(Self.maxFiles) files")
        }
        files.append(File(packagePath: artifact + "/" + path, folder: folder, path: path))
      case .folder: try collect(folder, path, depth: depth + 1)
      case .link, .other:
        throw .io(
          path: folder.path + "/" + path, operation: "copy",
          reason: "it is neither a file nor a folder")
      }
    }
  }
}
