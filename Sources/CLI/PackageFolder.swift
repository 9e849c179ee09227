import Digest

/// A package that is being downloaded.
enum PackageFolder {
  /// Writes one file below `folder`, once its hash is right.
  static func write(
    _ bytes: [UInt8], expectedHash: String, path: [String], below folder: String
  ) throws(CommandFailure) {
    let found = SHA256.hex(of: bytes)
    let name = path.joined(separator: "/")
    guard found == expectedHash else {
      throw CommandFailure("file '\(name)' has SHA-256 \(found); the registry says \(expectedHash)")
    }
    try LocalFile.makeFolder(([folder] + path.dropLast()).joined(separator: "/"))
    try LocalFile.write(bytes, to: folder + "/" + name)
  }
}
