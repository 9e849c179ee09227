internal import Glibc
internal import Store

/// The files that a job reads, found below its root and stamped.
///
/// A folder is read with all folders below it, in the order of the bytes of the paths. Names that
/// begin with `.` or `_` are passed over (`_SUCCESS`, `_temporary`, `.part-0.crc`), of folders
/// too, unless a glob names them so. Any other name has to say what the file is, unless a glob
/// has chosen it. Links are followed as long as they stay below the root.
struct InputListing {
  private let root: ContainedFolder
  private let input: JobOrder.Input
  private let glob: GlobPattern?
  /// The input is a file itself: its only path is its own name.
  private let isOneFile: Bool
  private static let maxDepth = 64
  private static let maxFiles = 10_000_000

  /// - Throws: When the input is not there, or cannot be looked at.
  init(_ input: JobOrder.Input) throws(BatchError) {
    self.input = input
    do throws(StoreError) {
      root = try ContainedFolder(input.root)
      isOneFile = try root.kind(of: input.path.isEmpty ? "." : input.path).kind == .file
    } catch {
      throw Self.problem(error, input)
    }
    if let pattern = input.glob { glob = try GlobPattern(pattern) } else { glob = nil }
  }

  /// Whether there is anything; an error says what is wrong with it.
  func check() throws(BatchError) {
    switch try kind(of: "") {
    case .file: _ = try fileName()
    case .folder: break
    case .link, .other:
      throw .inputMissing("\(input.address) is neither a file nor a folder")
    }
  }

  /// What an input is called that is one file.
  ///
  /// - Throws: For a name that does not say how it is read.
  private func fileName() throws(BatchError) -> String {
    let name = input.name ?? pathParts(input.path).last { !$0.isEmpty } ?? ""
    guard InputKind(name: name) != nil else {
      throw .refused(
        "\(input.address): '\(name)' ends like nothing that is read (\(InputKind.known)); rename it, "
          + "or name a link to it that does")
    }
    return name
  }

  /// - Parameter checkInterruption: Asked for every entry.
  /// - Throws: A file that cannot be read: its name, and why.
  func files(_ checkInterruption: InterruptionCheck) throws(BatchError) -> [JobFile] {
    try stamped(try paths(checkInterruption), checkInterruption)
  }

  /// The paths of what it reads, in their order.
  func paths(_ checkInterruption: InterruptionCheck) throws(BatchError) -> [String] {
    var paths: [String] = []
    switch try kind(of: "") {
    case .file:
      paths = [try fileName()]
    case .folder:
      var above: [FolderIdentity] = []
      try list("", &above, into: &paths, checkInterruption)
      guard !paths.isEmpty else {
        throw .inputMissing(
          "\(input.address) holds no file to be read"
            + (input.glob.map { " that matches '\($0)'" } ?? ""))
      }
      paths.sort { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    case .link, .other:
      throw .inputMissing("\(input.address) is neither a file nor a folder")
    }
    return paths
  }

  /// Opens a file of the listing.
  ///
  /// - Throws: `.inputChanged` when it is not what it was; `.busy` where it may be opened later.
  func open(_ file: JobFile) throws(BatchError) -> Int32 {
    let descriptor: Int32
    do throws(StoreError) {
      descriptor = try root.open(place(of: file.path))
    } catch {
      throw Self.isChange(error)
        ? .inputChanged(file: file.path, how: "\(error)") : BatchError(error)
    }
    do throws(BatchError) {
      let now = try FileStamp(descriptor: descriptor, file: file.path)
      if let how = file.stamp.difference(to: now) {
        throw .inputChanged(file: file.path, how: how)
      }
    } catch {
      close(descriptor)
      throw error
    }
    return descriptor
  }

  /// Whether another thing, or none, is where a file was. What the system could not do says
  /// nothing about the file.
  private static func isChange(_ error: StoreError) -> Bool {
    switch error {
    case .escapes: true
    case .io(_, _, _, let code): [0, ENOENT, ENOTDIR, ELOOP, EXDEV].contains(code)
    case .noSpace, .busy, .database, .unstorable, .locked, .exists: false
    }
  }

  private static func problem(_ error: StoreError, _ input: JobOrder.Input) -> BatchError {
    if case .busy = error { return BatchError(error) }
    return .inputMissing("\(input.address): \(error)")
  }

  // MARK: Walking

  private struct FolderIdentity: Equatable {
    var device: UInt64
    var inode: UInt64
  }

  private func list(
    _ folder: String, _ above: inout [FolderIdentity], into paths: inout [String],
    _ checkInterruption: InterruptionCheck
  ) throws(BatchError) {
    guard above.count < Self.maxDepth else {
      throw .inputMissing(
        "\(input.address): '\(folder)' is more than \(Self.maxDepth) folders deep")
    }
    let this = try identity(of: folder)
    // A link that leads back up.
    guard !above.contains(this) else {
      throw .inputMissing("\(input.address): '\(folder)' is a folder above itself")
    }
    above.append(this)
    defer { above.removeLast() }
    for entry in try entries(of: folder, checkInterruption) {
      try checkInterruption()
      let path = joined(folder, entry.name)
      if glob == nil, GlobPattern.isHidden(Array(entry.name.utf8)) { continue }
      var kind = entry.kind
      if kind == .link {
        // A link that may not be followed matters only where it would be read.
        if let glob, !glob.matches(path), !glob.mayMatch(below: path) { continue }
        kind = try self.kind(of: path)
      }
      switch kind {
      case .folder:
        guard glob?.mayMatch(below: path) ?? true else { continue }
        try list(path, &above, into: &paths, checkInterruption)
      case .file:
        if let glob {
          guard glob.matches(path) else { continue }
        } else {
          guard InputKind(name: entry.name) != nil else { throw unknownEnding(path) }
        }
        guard paths.count < Self.maxFiles else {
          throw .inputMissing("\(input.address) holds more than \(Self.maxFiles) files")
        }
        paths.append(path)
      case .link, .other:
        if let glob, !glob.matches(path) { continue }
        throw .inputMissing("\(input.address): '\(path)' is not a regular file")
      }
    }
  }

  private func identity(of folder: String) throws(BatchError) -> FolderIdentity {
    do throws(StoreError) {
      let identity = try root.identity(of: joined(input.path, folder))
      return FolderIdentity(device: identity.device, inode: identity.inode)
    } catch {
      throw Self.problem(error, input)
    }
  }

  private func entries(
    of folder: String, _ checkInterruption: InterruptionCheck
  ) throws(BatchError) -> [FolderTree.Entry] {
    var interruption: BatchError?
    do throws(StoreError) {
      let entries = try root.entries(joined(input.path, folder)) {
        do throws(BatchError) { try checkInterruption() } catch { interruption = error }
        return interruption == nil
      }
      if interruption == nil { return entries }
    } catch {
      throw Self.problem(error, input)
    }
    if let interruption { throw interruption }
    return []
  }

  private func unknownEnding(_ path: String) -> BatchError {
    .refused(
      "\(input.address): '\(path)' ends like nothing that is read (\(InputKind.known)); take it "
        + "out of the folder, or choose files with a glob")
  }

  private func kind(of path: String) throws(BatchError) -> FolderTree.Entry.Kind {
    do throws(StoreError) {
      return try root.kind(of: place(of: path)).kind
    } catch {
      throw Self.problem(error, input)
    }
  }

  /// A path of the listing, below the root.
  private func place(of path: String) -> String {
    let place = isOneFile ? input.path : joined(input.path, path)
    return place.isEmpty ? "." : place
  }

  private func joined(_ folder: String, _ name: String) -> String {
    folder.isEmpty ? name : name.isEmpty ? folder : folder + "/" + name
  }

  // MARK: Stamps

  /// A change within the file system's clock tick after the stamp would leave it as it is: what
  /// was modified just now is stamped when that tick is over.
  private static let tickNanoseconds: Int64 = 30_000_000

  private func stamped(
    _ paths: [String], _ checkInterruption: InterruptionCheck
  ) throws(BatchError) -> [JobFile] {
    var files: [JobFile] = []
    files.reserveCapacity(paths.count)
    var fresh: [Int] = []
    for path in paths {
      try checkInterruption()
      let stamp = try self.stamp(path)
      var now = timespec()
      clock_gettime(CLOCK_REALTIME, &now)
      let time = Int64(now.tv_sec) &* 1_000_000_000 &+ Int64(now.tv_nsec)
      if time &- stamp.modifiedAt < Self.tickNanoseconds { fresh.append(files.count) }
      files.append(JobFile(path: path, stamp: stamp, result: nil))
    }
    if !fresh.isEmpty {
      usleep(UInt32(Self.tickNanoseconds / 1000))
      for index in fresh { files[index].stamp = try stamp(files[index].path) }
    }
    return files
  }

  private func stamp(_ path: String) throws(BatchError) -> FileStamp {
    let descriptor: Int32
    do throws(StoreError) {
      descriptor = try root.open(place(of: path))
    } catch {
      throw Self.problem(error, input)
    }
    defer { close(descriptor) }
    return try FileStamp(descriptor: descriptor, file: path)
  }
}
