internal import Digest
internal import Serving
internal import Store
internal import Synchronization
internal import Telemetry

#if canImport(Glibc)
  internal import Glibc
#endif

/// Packages on their way from other machines: each in a folder of its own, `<id>/files/…`, written
/// in blocks, checked against the client's hashes at its commit, then named by whoever registers
/// it, and removed.
///
/// Nothing of it outlives the process: what is found at start belongs to nobody, once it is certain
/// that no process before this one goes on (`clear`). What nobody has touched for `idleTime` is
/// removed too. Any thread.
final class UploadStore: Sendable {
  /// Every block of a file but the last has this size. Small enough to be held in memory and to
  /// be sent again.
  static let blockByteCount = 8 << 20
  /// Uploads that are open at the same time.
  static let maxUploads = 32

  let folder: String
  /// All uploads that are open, together.
  let maxBytes: Int
  /// Nanoseconds.
  let idleTime: UInt64
  private let clock: MonotonicClock
  private let uploads = Mutex<[String: Upload]>([:])
  /// A successor has the workspace, or is about to. Read and written under `uploads`.
  private let isPaused = Atomic(false)
  private let isStopped = Monitor(false)
  private let threads = Threads()

  struct Upload: Sendable {
    /// open → committing → committed, or back to open where a file is not as it should be. It may
    /// go from any.
    enum State: Sendable {
      /// Blocks come in.
      case open
      /// Its files are being compared: no block may change them.
      case committing
      /// Every file is whole and has the hash that the client says.
      case committed
    }

    var manifest: UploadManifest
    var files: ContainedFolder
    var state = State.open
    /// Of each file, whether each block is there.
    var received: [[Bool]]
    var lastUse: UInt64
    /// Requests that are at work with it: it stays meanwhile.
    var userCount = 0
    /// Told to go: its last user removes it, and nobody new finds it.
    var isRemoved = false
  }

  struct Begun: Sendable {
    var id: String
    var path: String
  }

  /// - Parameter folder: `<workspace>/uploads`: made if need be.
  init(
    folder: String, maxBytes: Int, idleTime: Duration = .seconds(900),
    clock: MonotonicClock = .system
  ) throws(StoreError) {
    self.folder = folder
    self.maxBytes = maxBytes
    self.idleTime = UInt64(max(idleTime.components.seconds, 1)) * 1_000_000_000
    self.clock = clock
    try DurableFile.makeDirectory(folder, mode: 0o700)
    threads.start(name: "uploads") { [weak self, isStopped] in
      // Waits a minute, unless told to stop.
      while isStopped.wait(
        until: MonotonicClock.system.now() + 60_000_000_000, { $0 ? true : nil }) == nil
      {
        self?.collect()
      }
    }
  }

  deinit { stop() }

  /// Removes what the process before this one has left. To be called once, before the first upload.
  func clear() throws(StoreError) {
    for entry in try FolderTree.entries(folder) { try FolderTree.remove(folder + "/" + entry.name) }
  }

  // MARK: Handing over

  /// An upload that was used so short a time ago is still going on.
  private static let recentTime: UInt64 = 30_000_000_000

  /// From now on nothing is written: the workspace can be another process's.
  ///
  /// - Returns: False when an upload is going on; then nothing is paused.
  func pause() -> Bool {
    let now = clock.now()
    return uploads.withLock { uploads in
      let isUsed = uploads.values.contains { upload in
        upload.userCount > 0
          || (upload.state != .committed && now - min(now, upload.lastUse) < Self.recentTime)
      }
      if !isUsed { isPaused.store(true, ordering: .relaxed) }
      return !isUsed
    }
  }

  func resume() { uploads.withLock { _ in isPaused.store(false, ordering: .relaxed) } }

  /// Ends the thread that collects. At shutdown.
  func stop() {
    isStopped.withLock { $0 = true }
    isStopped.broadcast()
  }

  // MARK: An upload's way

  /// Makes the upload's files, all empty.
  func begin(_ manifest: UploadManifest) throws(UploadError) -> Begun {
    if uploads.withLock({ _ in isPaused.load(ordering: .relaxed) }) { throw .handingOver }
    collect()
    let id = SecureRandom.uuid()
    let path = filesPath(id)
    // Its bytes are counted from here on, before any of them has come.
    let files: ContainedFolder
    do throws(StoreError) {
      try DurableFile.makeDirectory(path, mode: 0o700)
      files = try ContainedFolder(path)
    } catch {
      throw .store(error)
    }
    let upload = Upload(
      manifest: manifest, files: files,
      received: manifest.files.map {
        [Bool](repeating: false, count: Self.blockCount($0.byteCount))
      }, lastUse: clock.now())
    do throws(UploadError) {
      try uploads.withLock { uploads throws(UploadError) in
        if isPaused.load(ordering: .relaxed) { throw .handingOver }
        guard uploads.count < Self.maxUploads else { throw .tooMany(limit: Self.maxUploads) }
        let taken = uploads.values.reduce(0) { $0 + $1.manifest.byteCount }
        guard manifest.byteCount <= maxBytes - min(taken, maxBytes) else {
          throw .noRoom(wanted: manifest.byteCount, free: max(maxBytes - taken, 0))
        }
        uploads[id] = upload
      }
      do throws(StoreError) {
        for file in manifest.files { close(try files.create(file.path)) }
      } catch {
        throw .store(error)
      }
    } catch {
      remove(id)
      // It may not have been entered yet.
      removeFiles(id)
      throw error
    }
    return Begun(id: id, path: path)
  }

  /// Writes one block of one file, which must have the size that its place gives it, and its hash.
  ///
  /// - Parameters:
  ///   - count: How many blocks the client thinks that the file has.
  func write(
    _ bytes: Span<UInt8>, block: Int, of count: Int, file index: Int, upload id: String,
    sha256: String
  ) throws(UploadError) {
    let upload = try hold(id)
    defer { release(id) }
    // Held as open: a commit waits for nobody, and is refused as long as we write.
    guard upload.state == .open else { throw .committedAlready(id) }
    guard upload.manifest.files.indices.contains(index) else {
      throw .noFile(index: index, count: upload.manifest.files.count)
    }
    let file = upload.manifest.files[index]
    let blockCount = upload.received[index].count
    guard count == blockCount, (0..<blockCount).contains(block) else {
      throw .noBlock(file: file.path, block: block, of: count, expected: blockCount)
    }
    let offset = block * Self.blockByteCount
    let expected = min(Self.blockByteCount, file.byteCount - offset)
    guard bytes.count == expected else {
      throw .wrongBlockSize(
        file: file.path, block: block, received: bytes.count, expected: expected)
    }
    var hash = SHA256()
    hash.update(bytes.bytes)
    let found = hash.hex()
    guard found == sha256.lowercased() else {
      throw .wrongBlockHash(file: file.path, block: block, received: found, expected: sha256)
    }
    do throws(StoreError) {
      let descriptor = try upload.files.openToWrite(file.path)
      defer { close(descriptor) }
      guard lseek(descriptor, off_t(offset), SEEK_SET) == off_t(offset) else {
        throw StoreError.io(
          path: file.path, operation: "seek", reason: String(cString: strerror(errno)))
      }
      try DurableFile.write(bytes, to: descriptor, path: file.path)
    } catch {
      throw .store(error)
    }
    uploads.withLock { $0[id]?.received[index][block] = true }
  }

  /// Compares every file with what the client says of it.
  func commit(_ manifest: UploadManifest, upload id: String) throws(UploadError) -> Begun {
    let upload = try hold(id)
    defer { release(id) }
    try uploads.withLock { uploads throws(UploadError) in
      guard uploads[id]?.state == .open else { throw .committedAlready(id) }
      guard uploads[id]?.userCount == 1 else { throw .busy(id) }
      uploads[id]?.state = .committing
    }
    do throws(UploadError) {
      try compare(upload, with: manifest)
    } catch {
      uploads.withLock { $0[id]?.state = .open }
      throw error
    }
    uploads.withLock { $0[id]?.state = .committed }
    return Begun(id: id, path: filesPath(id))
  }

  private func compare(
    _ upload: Upload, with manifest: UploadManifest
  ) throws(UploadError) {
    let expected = Dictionary(
      manifest.files.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first })
    guard expected.count == upload.manifest.files.count else {
      throw .otherFiles(begun: upload.manifest.files.count, committed: expected.count)
    }
    for (file, received) in zip(upload.manifest.files, upload.received) {
      guard let wanted = expected[file.path], wanted.byteCount == file.byteCount else {
        throw .otherFile(path: file.path, byteCount: file.byteCount)
      }
      if let missing = received.firstIndex(of: false) {
        throw .incomplete(
          file: file.path, received: received.count(where: { $0 }), of: received.count,
          firstMissing: missing)
      }
      let found = try hash(file.path, in: upload.files)
      guard found == wanted.sha256 else {
        throw .wrongHash(file: file.path, received: found, expected: wanted.sha256 ?? "")
      }
    }
  }

  private func hash(
    _ path: String, in files: ContainedFolder
  ) throws(UploadError) -> String {
    do throws(StoreError) {
      let descriptor = try files.open(path)
      defer { close(descriptor) }
      do throws(DigestError) {
        return try SHA256.hex(ofDescriptor: descriptor, path: path).hash
      } catch {
        throw StoreError.io(path: path, operation: "hash", reason: error.description)
      }
    } catch {
      throw .store(error)
    }
  }

  /// Removes an upload with its files; one that is not there is no error.
  func remove(_ id: String) {
    let isUnused = uploads.withLock { uploads -> Bool in
      guard let upload = uploads[id] else { return false }
      uploads[id]?.isRemoved = true
      if upload.userCount == 0 { uploads[id] = nil }
      return upload.userCount == 0
    }
    if isUnused { removeFiles(id) }
  }

  private func removeFiles(_ id: String) {
    // What cannot be removed now is collected at the next start.
    try? FolderTree.remove(folder + "/" + id)
  }

  // MARK: What was uploaded

  /// Keeps an upload while somebody reads from it.
  final class Lease: Sendable {
    private let store: UploadStore
    private let id: String

    fileprivate init(_ store: UploadStore, _ id: String) {
      self.store = store
      self.id = id
    }

    deinit { store.release(id) }
  }

  /// The committed upload that all of these absolute paths lie in; nil when one of them lies
  /// elsewhere or leads out of it.
  func lease(on paths: [String]) throws(UploadError) -> Lease? {
    var ids: Set<String> = []
    for path in paths {
      let root = (folder + "/").utf8
      guard path.utf8.starts(with: root) else { return nil }
      let parts = pathParts(String(Substring(path.utf8.dropFirst(root.count))))
      guard parts.count >= 3, parts[1] == "files",
        UploadManifest.isContained(parts[2...].joined(separator: "/"))
      else { return nil }
      ids.insert(parts[0])
    }
    guard let id = ids.first, ids.count == 1 else { return nil }
    let upload: Upload
    do {
      upload = try hold(id)
    } catch {
      guard case .notFound = error else { throw error }
      return nil
    }
    guard upload.state == .committed else {
      release(id)
      return nil
    }
    return Lease(self, id)
  }

  // MARK: Parts

  static func blockCount(_ byteCount: Int) -> Int {
    byteCount / blockByteCount + (byteCount % blockByteCount == 0 ? 0 : 1)
  }

  private func filesPath(_ id: String) -> String { "\(folder)/\(id)/files" }

  private func hold(_ id: String) throws(UploadError) -> Upload {
    let now = clock.now()
    let upload = try uploads.withLock { uploads throws(UploadError) -> Upload? in
      if isPaused.load(ordering: .relaxed) { throw .handingOver }
      guard uploads[id]?.isRemoved == false else { return nil }
      uploads[id]?.userCount += 1
      uploads[id]?.lastUse = now
      return uploads[id]
    }
    guard let upload else { throw .notFound(id) }
    return upload
  }

  private func release(_ id: String) {
    let now = clock.now()
    let isLast = uploads.withLock { uploads -> Bool in
      uploads[id]?.userCount -= 1
      uploads[id]?.lastUse = now
      guard let upload = uploads[id], upload.isRemoved, upload.userCount == 0 else { return false }
      uploads[id] = nil
      return true
    }
    if isLast { removeFiles(id) }
  }

  /// Removes what nobody has touched for too long.
  func collect() {
    let now = clock.now()
    let idle = uploads.withLock { uploads in
      if isPaused.load(ordering: .relaxed) { return [String]() }
      return uploads.filter {
        $0.value.userCount == 0 && now - min(now, $0.value.lastUse) > idleTime
      }
      .map(\.key)
    }
    for id in idle { remove(id) }
  }
}
