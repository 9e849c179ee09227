internal import Store
internal import Synchronization

/// The packages on the disk.
extension ModelRegistry {
  /// The package's folder.
  package func packagePath(name: String, version: String) -> String {
    store.path(name: name, version: version)
  }

  /// Hashes every file again and compares with the manifest.
  ///
  /// - Parameter goesOn: Asked before each block.
  /// - Throws: `.interrupted` where `goesOn` says no.
  package func verify(
    _ version: ModelVersion, while goesOn: () -> Bool = { true }
  ) throws(RegistryError) {
    try store.verify(version, while: goesOn)
  }

  /// Removes files that the database does not name. At start, before anything else runs.
  @discardableResult
  package func collectGarbage() throws(RegistryError) -> [String] {
    let named = Set(try read("", []).map { Self.key($0.name, $0.version) })
    return try staged.withLock { (staged) throws(RegistryError) in
      var removed: [String] = []
      for entry in try entries(store.folder) {
        let path = store.folder + "/" + entry.name
        if PackageStore.asidePrefixes.contains(where: entry.name.hasPrefix) || entry.kind != .folder
        {
          try store.removeTree(path)
          removed.append(entry.name)
          continue
        }
        let versions = try entries(path)
        let kept = versions.filter {
          let key = Self.key(entry.name, $0.name)
          return named.contains(key) || staged[key] != nil
        }
        if kept.isEmpty {
          try store.remove(path)
          removed.append(entry.name)
          continue
        }
        for version in versions where !kept.contains(version) {
          try store.remove(path + "/" + version.name)
          removed.append(entry.name + "/" + version.name)
        }
      }
      return removed
    }
  }

  func entries(_ path: String) throws(RegistryError) -> [FolderTree.Entry] {
    do throws(StoreError) {
      return try FolderTree.entries(path)
    } catch {
      throw .store(error)
    }
  }
}
