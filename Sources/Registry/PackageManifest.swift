internal import Digest
internal import Documents
internal import Store

/// What `manifest.json` in a package says: each file with its size and hash.
struct PackageManifest: Equatable {
  static let fileName = "manifest.json"

  var name: String
  var version: String
  var artifact: String
  var files: [PackageFile]

  /// SHA-256 over the files in the order of their paths. `model.yml` is left out: description,
  /// tags and properties in it may change while the model stays what it is.
  static func contentHash(of files: [PackageFile]) -> String {
    var hash = SHA256()
    for file in files.sorted(by: { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) })
    where file.path != ModelYAML.fileName {
      let line = Array("\(file.sha256) \(file.byteCount) \(file.path)\n".utf8)
      hash.update(line.span.bytes)
    }
    return hash.hex()
  }

  var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.document(
      [
        "manifest": 1, "name": .string(name), "version": .string(version),
        "artifact": .string(artifact), "content_sha256": .string(Self.contentHash(of: files)),
        "files": .array(files.map(\.document)),
      ], pretty: true)
    return writer.bytes + [0x0a]
  }

  init(name: String, version: String, artifact: String, files: [PackageFile]) {
    self.name = name
    self.version = version
    self.artifact = artifact
    self.files = files
  }
}

extension PackageFile {
  var document: DocumentValue {
    ["path": .string(path), "bytes": .integer(Int64(byteCount)), "sha256": .string(sha256)]
  }
}
