internal import Digest
internal import Glibc
internal import Store

/// A moment in a registration or removal after which a kill must leave nothing half-made.
package enum PackageStep: String, CaseIterable, Sendable {
  case folderMade, copied, inspected, manifestWritten, renamed, committed, rowDeleted, movedAside
}

/// The packages on the disk: `models/<name>/<version>/`, written aside and renamed in.
struct PackageStore: Sendable {
  static let asidePrefixes = [".incoming-", ".removed-"]

  let folder: String

  init(folder: String) throws(RegistryError) {
    self.folder = folder
    do throws(StoreError) {
      try DurableFile.makeDirectory(folder)
    } catch {
      throw .store(error)
    }
  }

  func path(name: String, version: String) -> String { "\(folder)/\(name)/\(version)" }

  /// A new folder of a name that is nobody's.
  func makeIncoming() throws(RegistryError) -> String {
    let path = "\(folder)/.incoming-\(SecureRandom.uuid())"
    guard mkdir(path, 0o755) == 0 else {
      let code = errno
      throw .store(
        code == ENOSPC
          ? .noSpace(path: path)
          : .io(path: path, operation: "make", reason: String(cString: strerror(code))))
    }
    return path
  }

  /// Copies every file and hashes the copy, so that the manifest tells what lies here even when
  /// somebody writes to the source meanwhile.
  func copy(_ source: PackageSource, to package: String) throws(RegistryError) -> [PackageFile] {
    var files: [PackageFile] = []
    for file in source.files {
      let target = package + "/" + file.packagePath
      let open = try file.open()
      defer { close(open) }
      do throws(StoreError) {
        let parent = pathParts(target).dropLast()
        try DurableFile.makeDirectory(parent.joined(separator: "/"))
        try DurableFile.copy(from: open, to: target)
      } catch {
        throw .store(error)
      }
      files.append(try hash(target, as: file.packagePath))
    }
    do throws(StoreError) {
      try DurableFile.syncTree(package)
    } catch {
      throw .store(error)
    }
    return files
  }

  /// Hashes the source where it lies.
  func files(of source: PackageSource) throws(RegistryError) -> [PackageFile] {
    var files: [PackageFile] = []
    for file in source.files {
      let open = try file.open()
      defer { close(open) }
      do throws(DigestError) {
        let (hash, count) = try SHA256.hex(ofDescriptor: open, path: file.path)
        files.append(PackageFile(path: file.packagePath, byteCount: count, sha256: hash))
      } catch {
        throw .digest(error, path: file.path)
      }
    }
    return files
  }

  func writeManifest(_ manifest: PackageManifest, in package: String) throws(RegistryError) {
    do throws(StoreError) {
      try DurableFile.write(manifest.bytes, to: package + "/" + PackageManifest.fileName)
    } catch {
      throw .store(error)
    }
  }

  /// Gives a finished folder its final name. What stands there is named by nobody: it goes.
  func moveIn(_ package: String, name: String, version: String) throws(RegistryError) {
    let target = path(name: name, version: version)
    try remove(target)
    do throws(StoreError) {
      try DurableFile.makeDirectory("\(folder)/\(name)")
      try DurableFile.rename(package, to: target)
    } catch {
      throw .store(error)
    }
  }

  /// Takes a package out of sight by one rename, and returns where it is now; nil when there is
  /// none.
  func moveAside(name: String, version: String) throws(RegistryError) -> String? {
    try moveAside(path(name: name, version: version))
  }

  /// Removes a file or folder so that it is never seen half removed.
  func remove(_ path: String) throws(RegistryError) {
    guard let aside = try moveAside(path) else { return }
    try removeTree(aside)
  }

  func removeTree(_ path: String) throws(RegistryError) {
    do throws(StoreError) {
      try FolderTree.remove(path)
    } catch {
      throw .store(error)
    }
  }

  private func moveAside(_ path: String) throws(RegistryError) -> String? {
    guard FolderTree.exists(path) else { return nil }
    let aside = "\(folder)/.removed-\(SecureRandom.uuid())"
    do throws(StoreError) {
      try DurableFile.rename(path, to: aside)
    } catch {
      throw .store(error)
    }
    return aside
  }

  /// Compares every file, and the manifest itself, with what was registered.
  func verify(
    _ version: ModelVersion, while goesOn: () -> Bool = { true }
  ) throws(RegistryError) {
    let package = path(name: version.name, version: version.version)
    for file in version.files {
      let path = package + "/" + file.path
      let found = try hash(path, as: file.path, while: goesOn)
      guard found == file else {
        throw .corrupt(
          path: path, expected: "\(file.byteCount) bytes, sha256 \(file.sha256)",
          found: "\(found.byteCount) bytes, sha256 \(found.sha256)")
      }
    }
    let manifest = PackageManifest(
      name: version.name, version: version.version, artifact: version.artifact,
      files: version.files)
    let path = package + "/" + PackageManifest.fileName
    let found = try hash(path, as: PackageManifest.fileName, while: goesOn)
    guard found.sha256 == SHA256.hex(of: manifest.bytes) else {
      throw .corrupt(
        path: path, expected: "sha256 \(SHA256.hex(of: manifest.bytes))",
        found: "sha256 \(found.sha256)")
    }
    let known = Set(version.files.map(\.path) + [PackageManifest.fileName])
    if let stranger = try names(in: package, "").first(where: { !known.contains($0) }) {
      throw .corrupt(path: package + "/" + stranger, expected: "no such file", found: "a file")
    }
  }

  /// The paths of all files below `package`.
  private func names(in package: String, _ relative: String) throws(RegistryError) -> [String] {
    var names: [String] = []
    do throws(StoreError) {
      for entry in try FolderTree.entries(package + "/" + relative) {
        let path = relative.isEmpty ? entry.name : relative + "/" + entry.name
        if entry.kind == .folder {
          do throws(RegistryError) {
            names += try self.names(in: package, path)
          } catch {
            throw StoreError.io(path: path, operation: "list", reason: "\(error)")
          }
        } else {
          names.append(path)
        }
      }
    } catch {
      throw .source(error)
    }
    return names
  }

  private func hash(
    _ path: String, as name: String, while goesOn: () -> Bool = { true }
  ) throws(RegistryError) -> PackageFile {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { throw .source(.system(errno, path: path, operation: "open")) }
    defer { close(file) }
    do throws(DigestError) {
      let (hash, count) = try SHA256.hex(ofDescriptor: file, path: path, while: goesOn)
      return PackageFile(path: name, byteCount: count, sha256: hash)
    } catch {
      throw .digest(error, path: path)
    }
  }
}
