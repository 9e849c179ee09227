import Digest
import Documents
import Glibc
import HTTP
import Registry

/// Packages sent to a gateway on another machine, in blocks. They stay there until `remove`, or
/// until nobody has touched them for a while.
final class PackageUpload {
  private struct File {
    var source: PackageSource.File
    var uploadPath: String
    var byteCount: Int
    var sha256 = ""
  }

  private let control: ControlClient
  private let artifacts: [String]
  private var files: [[File]]
  private let id: String
  private let folder: String

  /// Larger blocks than this would be held in memory.
  private static let maxBlockBytes = 64 << 20

  /// Sends them all; the gateway has compared every file's hash when this returns.
  ///
  /// - Throws: With nothing left at the gateway.
  init(
    _ packages: [ModelRegistration], to control: ControlClient
  ) throws(CommandFailure) {
    self.control = control
    var artifacts: [String] = []
    var files: [[File]] = []
    for (index, package) in packages.enumerated() {
      do throws(RegistryError) {
        let source = try PackageSource(package)
        artifacts.append(source.artifact)
        files.append(
          try source.files.map { (file) throws(RegistryError) in
            File(
              source: file, uploadPath: "\(index)/\(file.packagePath)",
              byteCount: try PackageUpload.byteCount(of: file))
          })
      } catch {
        throw CommandFailure("\(error)")
      }
    }
    self.artifacts = artifacts
    self.files = files
    let begun = try control.send(
      "POST", "swerve/uploads",
      body: [
        "files": .array(
          files.joined().map {
            ["path": .string($0.uploadPath), "bytes": .integer(Int64($0.byteCount))]
          })
      ]
    ).body
    guard let id = ResourceViews.text(begun, "id"), let folder = ResourceViews.text(begun, "path"),
      case .integer(let blockBytes) = ResourceViews.member(begun, "blockBytes"),
      let blockByteCount = Int(exactly: blockBytes),
      (1...PackageUpload.maxBlockBytes).contains(blockByteCount)
    else { throw CommandFailure("the gateway's answer to an upload's begin is none we know") }
    self.id = id
    self.folder = folder
    do throws(CommandFailure) {
      try send(blockByteCount: blockByteCount)
      try commit()
    } catch {
      remove()
      throw error
    }
  }

  /// The registration as the gateway reads it: by the paths that its files have there.
  func placed(_ package: ModelRegistration, at index: Int = 0) -> ModelRegistration {
    var placed = package
    placed.path = path(artifacts[index], at: index)
    for name in package.extraFiles.keys { placed.extraFiles[name] = path(name, at: index) }
    return placed
  }

  /// Compares what the gateway has registered with what was read here.
  func check(_ registered: DocumentValue, at index: Int = 0) throws(CommandFailure) {
    var known: [String: String] = [:]
    for file in ResourceViews.elements(registered, named: "files") {
      guard let path = ResourceViews.text(file, "path") else { continue }
      known[path] = ResourceViews.text(file, "sha256")
    }
    // Words in it may have changed since an equal version was registered.
    for file in files[index] where file.source.packagePath != ModelYAML.fileName {
      let path = file.source.packagePath
      guard known[path] == file.sha256 else {
        throw CommandFailure(
          "the gateway has registered file '\(path)' with SHA-256 \(known[path] ?? "none"); here it "
            + "is \(file.sha256)")
      }
    }
  }

  /// Best effort: what stays is collected by the gateway.
  func remove() {
    _ = try? control.send("DELETE", "swerve/uploads/\(id.percentEncoded)")
  }

  private func path(_ name: String, at index: Int) -> String { "\(folder)/\(index)/\(name)" }

  private static func byteCount(of file: PackageSource.File) throws(RegistryError) -> Int {
    let descriptor = try file.open()
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw .unreadable(path: file.packagePath, reason: String(cString: strerror(errno)))
    }
    return Int(status.st_size)
  }

  // MARK: Blocks

  private func send(blockByteCount: Int) throws(CommandFailure) {
    var number = 0
    for package in files.indices {
      for index in files[package].indices {
        files[package][index].sha256 = try send(
          files[package][index], number: number, blockByteCount: blockByteCount)
        number += 1
      }
    }
  }

  /// - Returns: The hash of what was sent.
  private func send(
    _ file: File, number: Int, blockByteCount: Int
  ) throws(CommandFailure) -> String {
    let descriptor: Int32
    do {
      descriptor = try file.source.open()
    } catch {
      throw CommandFailure("\(error)")
    }
    defer { close(descriptor) }
    var hash = SHA256()
    let count = (file.byteCount + blockByteCount - 1) / blockByteCount
    for index in 0..<count {
      let wanted = min(blockByteCount, file.byteCount - index * blockByteCount)
      let block = try read(wanted, from: descriptor, of: file)
      hash.update(block.span.bytes)
      let route =
        "swerve/uploads/\(id.percentEncoded)/files/\(number)/blocks/\(index)?of=\(count)"
      let response = try control.sendBytes(
        "PUT", route,
        headers: [
          ("Content-Type", "application/octet-stream"),
          ("x-swerve-sha256", SHA256.hex(of: block)),
        ], body: block)
      guard response.status == 201 else {
        throw CommandFailure(
          "file '\(file.source.packagePath)' could not be uploaded: "
            + ControlClient.sentence(of: response))
      }
    }
    return hash.hex()
  }

  private func read(
    _ count: Int, from descriptor: Int32, of file: File
  ) throws(CommandFailure) -> [UInt8] {
    var block = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = block.withUnsafeMutableBytes {
        Glibc.read(descriptor, $0.baseAddress?.advanced(by: filled), count - filled)
      }
      if got < 0 && errno == EINTR { continue }
      guard got > 0 else {
        throw CommandFailure(
          "file '\(file.source.packagePath)' "
            + (got == 0
              ? "became shorter while it was sent"
              : "cannot be read: \(String(cString: strerror(errno)))"))
      }
      filled += got
    }
    return block
  }

  private func commit() throws(CommandFailure) {
    _ = try control.send(
      "POST", "swerve/uploads/\(id.percentEncoded)/commit",
      body: [
        "files": .array(
          files.joined().map {
            [
              "path": .string($0.uploadPath), "bytes": .integer(Int64($0.byteCount)),
              "sha256": .string($0.sha256),
            ]
          })
      ])
  }
}
