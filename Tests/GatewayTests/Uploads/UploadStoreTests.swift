import Digest
import Documents
import Foundation
import Store
import Synchronization
import Telemetry
import TestFolders
import Testing

@testable import Gateway

@Suite struct UploadStoreTests {
  private final class Bench {
    private let home = TemporaryFolder(for: "uploads")
    var folder: String { home.path }
    /// Moved by hand.
    final class Time: Sendable {
      let nanoseconds = Atomic<UInt64>(1_000_000_000_000)
    }

    let time = Time()
    private(set) var store: UploadStore

    init(maxBytes: Int = 64 << 20) throws {
      let folder = home.path
      try FileManager.default.createDirectory(
        atPath: folder + "/uploads/left-over/files", withIntermediateDirectories: true)
      store = try UploadStore(folder: folder + "/uploads", maxBytes: maxBytes)
      store = try UploadStore(
        folder: folder + "/uploads", maxBytes: maxBytes, idleTime: .seconds(60),
        clock: MonotonicClock { [time] in time.nanoseconds.load(ordering: .relaxed) })
      try store.clear()
    }

    deinit { store.stop() }

    var names: [String] {
      (try? FileManager.default.contentsOfDirectory(atPath: folder + "/uploads")) ?? []
    }

    func begin(_ files: [(String, Int)]) throws -> UploadStore.Begun {
      try store.begin(try Self.manifest(files))
    }

    static func manifest(
      _ files: [(String, Int)], hashes: [String]? = nil, maxBytes: Int = .max
    ) throws(DocumentError) -> UploadManifest {
      let list = files.enumerated().map { index, file -> DocumentValue in
        var object = DocumentObject([
          "path": .string(file.0), "bytes": .integer(Int64(file.1)),
        ])
        object["sha256"] = hashes.map { .string($0[index]) }
        return .object(object)
      }
      return try UploadManifest(
        Document(["files": .array(list)], source: "test"), maxBytes: maxBytes,
        needsHashes: hashes != nil)
    }

    func write(
      _ bytes: [UInt8], block: Int = 0, of count: Int = 1, file: Int = 0, to id: String,
      sha256: String? = nil
    ) throws(UploadError) {
      try store.write(
        bytes.span, block: block, of: count, file: file, upload: id,
        sha256: sha256 ?? SHA256.hex(of: bytes))
    }
  }

  @Test(arguments: [
    "../x", "../\u{301}x", "\u{600}/../x", "a/\u{301}/../../x", "/etc/passwd", "a/../../x", "a/./b",
    "a//b", "", ".", "..", "a/", "a\u{0}b", "a\nb",
    String(repeating: "n", count: 256), String(repeating: "d/", count: 60) + "f",
  ])
  func `a path that leads elsewhere is no path of a package`(path: String) {
    #expect(throws: DocumentError.self) { try Bench.manifest([(path, 1)]) }
  }

  @Test func `what a manifest may not say`() throws {
    #expect(throws: DocumentError.self) { try Bench.manifest([]) }
    #expect(throws: DocumentError.self) { try Bench.manifest([("a", 1), ("a", 1)]) }
    #expect(throws: DocumentError.self) { try Bench.manifest([("a", 1), ("a/b", 1)]) }
    #expect(throws: DocumentError.self) { try Bench.manifest([("a/b", 1), ("a", 1)]) }
    #expect(throws: DocumentError.self) { try Bench.manifest([("a", -1)]) }
    #expect(throws: DocumentError.self) { try Bench.manifest([("a", 1)], hashes: ["xyz"]) }
    #expect(throws: DocumentError.self) { try Bench.manifest([("a", 6), ("b", 5)], maxBytes: 10) }
    #expect(try Bench.manifest([("a", 5), ("b/ü", 5)], maxBytes: 10).byteCount == 10)
  }

  @Test func `blocks in any order become the file`() throws {
    let bench = try Bench()
    let size = UploadStore.blockByteCount
    let bytes = (0..<(size + 1000)).map { UInt8(truncatingIfNeeded: $0 / 7) }
    let begun = try bench.begin([("model/weights.bin", bytes.count), ("empty", 0)])
    try bench.write(Array(bytes[size...]), block: 1, of: 2, to: begun.id)
    let manifest = try Bench.manifest(
      [("empty", 0), ("model/weights.bin", bytes.count)],
      hashes: [SHA256.hex(of: []), SHA256.hex(of: bytes)])
    #expect(
      throws: UploadError.incomplete(
        file: "model/weights.bin", received: 1, of: 2, firstMissing: 0)
    ) { try bench.store.commit(manifest, upload: begun.id) }
    #expect(try bench.store.lease(on: [begun.path + "/empty"]) == nil)
    try bench.write(Array(bytes[..<size]), block: 0, of: 2, to: begun.id)
    #expect(try bench.store.commit(manifest, upload: begun.id).path == begun.path)
    #expect(try fileBytes(begun.path + "/model/weights.bin", maxBytes: 1 << 30) == bytes)
    #expect(throws: UploadError.committedAlready(begun.id)) {
      try bench.write([], block: 0, of: 0, file: 1, to: begun.id)
    }
  }

  @Test func `a block of another size, number or hash is refused`() throws {
    let bench = try Bench()
    let begun = try bench.begin([("a", 3)])
    #expect(throws: UploadError.wrongBlockSize(file: "a", block: 0, received: 2, expected: 3)) {
      try bench.write([1, 2], to: begun.id)
    }
    #expect(throws: UploadError.noBlock(file: "a", block: 1, of: 1, expected: 1)) {
      try bench.write([1, 2, 3], block: 1, to: begun.id)
    }
    #expect(throws: UploadError.noBlock(file: "a", block: 0, of: 2, expected: 1)) {
      try bench.write([1, 2, 3], of: 2, to: begun.id)
    }
    #expect(throws: UploadError.noFile(index: 1, count: 1)) {
      try bench.write([1, 2, 3], file: 1, to: begun.id)
    }
    #expect(throws: UploadError.noFile(index: -1, count: 1)) {
      try bench.write([1, 2, 3], file: -1, to: begun.id)
    }
    let wrong = SHA256.hex(of: [9])
    #expect(
      throws: UploadError.wrongBlockHash(
        file: "a", block: 0, received: SHA256.hex(of: [1, 2, 3]), expected: wrong)
    ) { try bench.write([1, 2, 3], to: begun.id, sha256: wrong) }
    #expect(throws: UploadError.notFound("other")) { try bench.write([1], to: "other") }
  }

  @Test func `a commit that says something else is refused`() throws {
    let bench = try Bench()
    let begun = try bench.begin([("a", 3), ("b", 0)])
    try bench.write([1, 2, 3], to: begun.id)
    let (right, empty) = (SHA256.hex(of: [1, 2, 3]), SHA256.hex(of: []))
    func commit(_ files: [(String, Int)], _ hashes: [String]) throws {
      _ = try bench.store.commit(try Bench.manifest(files, hashes: hashes), upload: begun.id)
    }
    #expect(throws: UploadError.wrongHash(file: "a", received: right, expected: empty)) {
      try commit([("a", 3), ("b", 0)], [empty, empty])
    }
    #expect(throws: UploadError.otherFiles(begun: 2, committed: 1)) {
      try commit([("a", 3)], [right])
    }
    #expect(throws: UploadError.otherFile(path: "b", byteCount: 0)) {
      try commit([("a", 3), ("c", 0)], [right, empty])
    }
    try commit([("a", 3), ("b", 0)], [right, empty])
  }

  @Test func `the cap holds for all uploads together, from their beginning on`() throws {
    let bench = try Bench(maxBytes: 100)
    let first = try bench.begin([("a", 60)])
    #expect(throws: UploadError.noRoom(wanted: 41, free: 40)) { try bench.begin([("a", 41)]) }
    #expect(bench.names == [first.id])
    bench.store.remove(first.id)
    #expect(bench.names.isEmpty)
    _ = try bench.begin([("a", 100)])
    for _ in 1..<UploadStore.maxUploads { _ = try bench.begin([("a", 0)]) }
    #expect(throws: UploadError.tooMany(limit: UploadStore.maxUploads)) {
      try bench.begin([("a", 0)])
    }
  }

  @Test func `what nobody uses is collected, what somebody reads stays`() throws {
    let bench = try Bench()
    #expect(bench.names.isEmpty, "what a process before left is gone at start")
    let abandoned = try bench.begin([("a", 3)])
    let used = try bench.begin([("a", 0)])
    let manifest = try Bench.manifest([("a", 0)], hashes: [SHA256.hex(of: [])])
    _ = try bench.store.commit(manifest, upload: used.id)
    var lease = try bench.store.lease(on: [used.path + "/a"])
    #expect(lease != nil)
    bench.time.nanoseconds.add(61_000_000_000, ordering: .relaxed)
    bench.store.collect()
    #expect(bench.names == [used.id])
    #expect(throws: UploadError.notFound(abandoned.id)) {
      try bench.write([1, 2, 3], to: abandoned.id)
    }
    lease = nil
    bench.store.collect()
    #expect(bench.names == [used.id], "the end of its use counts")
    bench.time.nanoseconds.add(61_000_000_000, ordering: .relaxed)
    bench.store.collect()
    #expect(bench.names.isEmpty)
  }

  @Test func `only paths inside one committed upload get a lease`() throws {
    let bench = try Bench()
    let manifest = try Bench.manifest([("a", 0)], hashes: [SHA256.hex(of: [])])
    let one = try bench.begin([("a", 0)])
    let other = try bench.begin([("a", 0)])
    for begun in [one, other] { _ = try bench.store.commit(manifest, upload: begun.id) }
    #expect(try bench.store.lease(on: [one.path + "/a", one.path + "/b"]) != nil)
    #expect(try bench.store.lease(on: [one.path + "/a", other.path + "/a"]) == nil)
    #expect(try bench.store.lease(on: [one.path + "/../../../swerve.db"]) == nil)
    #expect(try bench.store.lease(on: [one.path]) == nil)
    #expect(try bench.store.lease(on: ["/etc/passwd"]) == nil)
    #expect(try bench.store.lease(on: [bench.folder + "/uploads/x/files/a"]) == nil)
    #expect(try bench.store.lease(on: []) == nil)
  }

  @Test func `what a process before this one uploads stays until it is certain that it ends`()
    throws
  {
    let bench = try Bench()
    let begun = try bench.begin([("a", 1)])
    try bench.write([1], to: begun.id)
    // A successor that fails before it is ready has done nothing to it.
    let other = try UploadStore(folder: bench.folder + "/uploads", maxBytes: 1 << 20)
    #expect(bench.names == [begun.id])
    try other.clear()
    #expect(bench.names.isEmpty)
    other.stop()
  }

  @Test func `nothing is handed over in the middle of an upload, and nothing written behind it`()
    throws
  {
    let bench = try Bench()
    let begun = try bench.begin([("a", 1)])
    #expect(!bench.store.pause())
    try bench.write([1], to: begun.id)
    // One that nobody has touched for a while is nobody's any more.
    bench.time.nanoseconds.add(31_000_000_000, ordering: .relaxed)
    #expect(bench.store.pause())
    #expect(throws: UploadError.handingOver) { try bench.begin([("b", 1)]) }
    #expect(throws: UploadError.handingOver) { try bench.write([1], to: begun.id) }
    // A path in one is no unknown path meanwhile.
    #expect(throws: UploadError.handingOver) { try bench.store.lease(on: [begun.path + "/a"]) }
    bench.time.nanoseconds.add(3_600_000_000_000, ordering: .relaxed)
    bench.store.collect()
    #expect(bench.names == [begun.id])
    bench.store.resume()
    try bench.write([1], to: begun.id)
  }
}
