import Documents
import Glibc
import Registry
import Store
import Synchronization
import Testing

struct ModelRegistryTests {
  let workspace = Workspace()

  @Test func `a registered file is found with its hash, size and inspection`() throws {
    let registry = try workspace.registry()
    var registration = try workspace.registration("3", "weights")
    registration.tags = ["team": "risk"]
    registration.properties = ["swerve.columns": "[\"a\"]"]
    registration.description = "Grüße"
    registration.extraFiles = ["sample-request.json": try workspace.file("request", "{}")]
    let (version, created) = try registry.register(registration)
    #expect(created)
    #expect(version.artifact == "model.txt")
    #expect(version.inspection == ["format": "text", "bytes": 7])
    #expect(
      version.files.first
        == PackageFile(
          path: "model.txt", byteCount: 7,
          sha256: "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c"))
    #expect(
      try workspace.packages == [
        "models/churn/3/manifest.json", "models/churn/3/model.txt",
        "models/churn/3/sample-request.json",
      ])
    let found = try registry.find(name: "churn", version: "3")
    #expect(found == version)
    #expect(found.tags == ["team": "risk"])
    try registry.verify(found)
    #expect(throws: RegistryError.interrupted) { try registry.verify(found) { false } }
    #expect(try workspace.registry().find(name: "churn", version: "3") == version)
  }

  @Test func `a folder keeps its name and its links inside it`() throws {
    try workspace.file("net/MLmodel", "flavors: {}")
    try workspace.file("net/data/weights", "abc")
    symlink("data/weights", workspace.path + "/source/net/link")
    let registry = try workspace.registry()
    let (version, _) = try registry.register(
      ModelRegistration(name: "net", version: nil, path: workspace.path + "/source/net"))
    #expect(version.version == "1")
    #expect(version.artifact == "net")
    #expect(version.files.map(\.path) == ["net/MLmodel", "net/data/weights", "net/link"])
    try registry.verify(version)
  }

  @Test func `what leads out of the source, or is no file, is refused and leaves nothing`() throws {
    try workspace.file("net/weights", "abc")
    let registry = try workspace.registry()
    let registration = ModelRegistration(
      name: "net", version: "1", path: workspace.path + "/source/net")
    let link = workspace.path + "/source/net/link"
    for target in ["/etc/passwd", "../../swerve.db", "nowhere", "."] {
      symlink(target, link)
      #expect(throws: RegistryError.self, "\(target)") { try registry.register(registration) }
      unlink(link)
    }
    mkfifo(link, 0o644)
    #expect(throws: RegistryError.self) { try registry.register(registration) }
    unlink(link)
    mkdir(workspace.path + "/source/empty", 0o755)
    for path in ["/source/empty", "/source/none"] {
      #expect(throws: RegistryError.self) {
        try registry.register(
          ModelRegistration(name: "net", version: "1", path: workspace.path + path))
      }
    }
    #expect(try workspace.packages.isEmpty)
    #expect(try registry.models(.all).isEmpty)
  }

  @Test(arguments: ["", "..", ".x", "a/b", "a b", "ä", "-a", String(repeating: "a", count: 256)])
  func `a name that is no folder's name is refused`(name: String) throws {
    let registry = try workspace.registry()
    var registration = try workspace.registration("1", "x")
    registration.name = name
    #expect(throws: RegistryError.self) { try registry.register(registration) }
    registration.name = "churn"
    registration.version = name
    #expect(throws: RegistryError.self) { try registry.register(registration) }
  }

  @Test func `the same content again changes nothing, other content is refused`() throws {
    let registry = try workspace.registry()
    let first = try registry.register(workspace.registration("1", "one")).version
    var again = try workspace.registration("1", "one")
    // model.yml may change: a description is no content.
    again.extraFiles = ["model.yml": try workspace.file("model.yml", "description: new")]
    let second = try registry.register(again)
    #expect(!second.created)
    #expect(second.version == first)
    #expect {
      try registry.register(workspace.registration("1", "two"))
    } throws: { error in
      guard case .immutable("churn", "1", first.contentHash, let offered)? = error as? RegistryError
      else { return false }
      return offered.count == 64 && "\(error)".contains(offered)
    }
    var other = try workspace.registration("1", "one")
    other.type = "mlflow_model"
    #expect(throws: RegistryError.self) { try registry.register(other) }
  }

  @Test func `integer versions count on as integers, and latest is the newest made`() throws {
    let registry = try workspace.registry()
    for version in ["9", "11", "beta", "2"] {
      _ = try registry.register(workspace.registration(version, version))
    }
    #expect(try registry.nextVersion(of: "churn") == "12")
    #expect(try registry.register(workspace.registration(nil, "next")).version.version == "12")
    #expect(
      try registry.versions(of: "churn", .all).map(\.version) == ["12", "2", "beta", "11", "9"])
    #expect(
      try registry.resolve(ModelReference(name: "churn", revision: .latest)).version == "12")
    #expect(try registry.nextVersion(of: "other") == "1")
  }

  @Test func `archived versions vanish from lists and stay usable`() throws {
    let registry = try workspace.registry()
    for version in ["1", "2"] {
      _ = try registry.register(workspace.registration(version, version))
    }
    let archived = try registry.update(name: "churn", version: "2") {
      $0.isArchived = true
      $0.tags = ["a": "b"]
      $0.contentHash = "forged"
    }
    #expect(archived.isArchived)
    #expect(archived.contentHash != "forged")
    #expect(try registry.models(.active).map(\.version) == ["1"])
    #expect(try registry.models(.archived).map(\.version) == ["2"])
    #expect(try registry.versions(of: "churn", .active).map(\.version) == ["1"])
    #expect(try registry.find(name: "churn", version: "2").tags == ["a": "b"])
    try registry.setArchived(true, name: "churn")
    #expect(try registry.models(.active).isEmpty)
    try registry.setArchived(false, name: "churn")
    #expect(try registry.versions(of: "churn", .active).count == 2)
    #expect(throws: RegistryError.self) { try registry.setArchived(true, name: "none") }
  }

  @Test func `a used version is not deleted, and an unknown one names those that exist`() throws {
    let registry = try workspace.registry()
    for version in ["1", "2"] {
      _ = try registry.register(workspace.registration(version, version))
    }
    #expect(throws: RegistryError.inUse(name: "churn", version: "1", by: ["churn/blue"])) {
      try registry.delete(name: "churn", version: "1") { _ in ["churn/blue"] }
    }
    #expect(throws: RegistryError.notFound(name: "churn", version: "7", known: ["2", "1"])) {
      try registry.delete(name: "churn", version: "7") { _ in [] }
    }
    try registry.delete(name: "churn", version: "1") { _ in [] }
    #expect(throws: RegistryError.notFound(name: "churn", version: "1", known: ["2"])) {
      try registry.find(name: "churn", version: "1")
    }
    #expect(try workspace.packages.allSatisfy { $0.hasPrefix("models/churn/2/") })
    #expect(try registry.register(workspace.registration("1", "other")).created)
  }

  @Test func `a model that cannot run is refused and leaves nothing`() throws {
    let registry = try workspace.registry()
    #expect(throws: RegistryError.refused(reason: "operator 'Rotten' is not supported")) {
      try registry.register(workspace.registration("1", "rotten"))
    }
    #expect(try workspace.packages.isEmpty)
    #expect(try FolderTree.entries(workspace.path + "/models").isEmpty)
  }

  @Test func `what is staged and discarded, or never committed, is gone`() throws {
    let registry = try workspace.registry()
    let staged = try registry.stage(workspace.registration("1", "one"))
    #expect(throws: RegistryError.self) { try registry.find(name: "churn", version: "1") }
    registry.discard(staged)
    #expect(try workspace.packages.isEmpty)
    _ = try registry.stage(workspace.registration("2", "two"))
    #expect(try workspace.registry().collectGarbage() == ["churn"])
    #expect(try workspace.packages.isEmpty)
  }

  @Test func `garbage goes and what the database names stays`() throws {
    let registry = try workspace.registry()
    let kept = try registry.register(workspace.registration("1", "one")).version
    for path in ["churn/2", "other/1", ".incoming-x", ".removed-y"] {
      try DurableFile.makeDirectory(workspace.path + "/models/" + path + "/sub")
      try DurableFile.write([1], to: workspace.path + "/models/" + path + "/sub/file")
    }
    #expect(
      Set(try registry.collectGarbage()) == [".incoming-x", ".removed-y", "churn/2", "other"])
    #expect(try registry.collectGarbage().isEmpty)
    try registry.verify(kept)
  }

  @Test func `C6 · every flipped bit, cut, missing or added file is found`() throws {
    let registry = try workspace.registry()
    let version = try registry.register(workspace.registration("1", "weights")).version
    for name in ["model.txt", "manifest.json"] {
      let path = workspace.path + "/models/churn/1/" + name
      let folder = try ContainedFolder(workspace.path + "/models/churn/1")
      let good = try folder.read(name, maxBytes: 1 << 20)
      for index in good.indices {
        var bad = good
        bad[index] ^= 1 << UInt8(index % 8)
        let file = open(path, O_WRONLY)
        #expect(pwrite(file, bad, bad.count, 0) == bad.count)
        close(file)
        #expect(throws: RegistryError.self) { try registry.verify(version) }
      }
      try DurableFile.write(Array(good.dropLast()), to: path)
      #expect(throws: RegistryError.self) { try registry.verify(version) }
      unlink(path)
      #expect(throws: RegistryError.self) { try registry.verify(version) }
      try DurableFile.write(good, to: path)
      try registry.verify(version)
    }
    try DurableFile.write([], to: workspace.path + "/models/churn/1/extra")
    #expect(throws: RegistryError.self) { try registry.verify(version) }
  }

  @Test func `eight threads register one version once, and count versions without a gap`() throws {
    let registry = try workspace.registry()
    let same = try workspace.registration("1", "same")
    var counted = same
    counted.name = "counted"
    counted.version = nil
    let auto = counted
    let results = Mutex<(created: Int, versions: [String], errors: [String])>((0, [], []))
    concurrently(8) { _ in
      do {
        let created = try registry.register(same).created
        let version = try registry.register(auto).version.version
        results.withLock {
          $0.created += created ? 1 : 0
          $0.versions.append(version)
        }
      } catch {
        results.withLock { $0.errors.append("\(error)") }
      }
    }
    results.withLock {
      #expect($0.errors == [])
      #expect($0.created == 1)
      #expect($0.versions.compactMap { Int($0) }.sorted() == Array(1...8))
    }
    for version in try registry.models(.all) + registry.versions(of: "counted", .all) {
      try registry.verify(version)
    }
    #expect(try registry.collectGarbage().isEmpty)
  }

  @Test func `threads that register and delete one version leave a whole one or none`() throws {
    let registry = try workspace.registry()
    let one = try workspace.registration("1", "one")
    let unexpected = Mutex<[String]>([])
    concurrently(4) { index in
      for _ in 0..<20 {
        do {
          if index % 2 == 0 {
            _ = try registry.register(one)
          } else {
            try registry.delete(name: "churn", version: "1") { _ in [] }
          }
        } catch RegistryError.notFound {
        } catch RegistryError.refused(let reason) where reason.contains("was deleted while") {
        } catch {
          unexpected.withLock { $0.append("\(error)") }
        }
      }
    }
    #expect(unexpected.withLock { $0 } == [])
    if let version = try registry.models(.all).first { try registry.verify(version) }
    let fresh = try workspace.registry()
    try fresh.collectGarbage()
    if let version = try fresh.models(.all).first { try fresh.verify(version) }
  }
}

/// Runs `body` on as many threads, and waits for all.
func concurrently(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
  final class Work: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }
  let threads = (0..<count).map { index in
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work { body(index) })
    pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().run()
        return nil
      }, work.toOpaque())
    return thread
  }
  for thread in threads { pthread_join(thread, nil) }
}
