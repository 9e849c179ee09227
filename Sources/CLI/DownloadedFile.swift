import Digest
import Documents
import Glibc

/// A file of a package that is being downloaded: written piece by piece as it comes, and kept when
/// its hash is right.
final class DownloadedFile {
  private let name: String
  private let path: String
  private let descriptor: Int32
  private var hash: SHA256? = SHA256()
  private var failure: CommandFailure?
  private var byteCount: Int64 = 0

  init(_ parts: [String], below folder: String) throws(CommandFailure) {
    name = parts.joined(separator: "/")
    path = folder + "/" + name
    try LocalFile.makeFolder(([folder] + parts.dropLast()).joined(separator: "/"))
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw DownloadedFile.unwritable(path) }
  }

  deinit { close(descriptor) }

  /// False when no more can be taken: `finish` says why.
  func append(_ piece: ArraySlice<UInt8>) -> Bool {
    hash?.update(piece.span.bytes)
    byteCount += Int64(piece.count)
    var rest = piece
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        failure = DownloadedFile.unwritable(path)
        return false
      }
      rest = rest.dropFirst(count)
    }
    return true
  }

  /// - Parameters:
  ///   - transferFailure: Why not all of it has come.
  /// - Throws: Then the file is gone.
  func finish(
    expectedHash: String, _ transferFailure: CommandFailure?
  ) throws(CommandFailure) {
    let found = hash.take()?.hex() ?? ""
    try finish(
      transferFailure,
      found == expectedHash
        ? nil : "file '\(name)' has SHA-256 \(found); the registry says \(expectedHash)")
  }

  /// For what has its hash in a manifest that comes with it.
  ///
  /// - Returns: The SHA-256 of what came.
  func finish(
    expectedByteCount: Int64, _ transferFailure: CommandFailure?
  ) throws(CommandFailure) -> String {
    try finish(
      transferFailure,
      byteCount == expectedByteCount
        ? nil : "file '\(name)' came with \(byteCount) bytes; expected \(expectedByteCount)")
    return hash.take()?.hex() ?? ""
  }

  /// Compares what came with a job's manifest.
  ///
  /// - Parameter hashes: By the paths of the files.
  static func check(
    _ hashes: [String: String], against manifest: DocumentValue, of job: String
  ) throws(CommandFailure) {
    guard case .array(let files)? = manifest.value(at: "outputs") else { return }
    for file in files {
      guard case .string(let path)? = file.value(at: "path"),
        case .string(let expected)? = file.value(at: "sha256")
      else { continue }
      guard let found = hashes[path] else {
        throw CommandFailure("file '\(path)' did not come; the manifest of \(job) lists it")
      }
      guard found == expected else {
        throw CommandFailure(
          "file '\(path)' has SHA-256 \(found); the manifest of \(job) says \(expected)")
      }
    }
  }

  private func finish(
    _ transferFailure: CommandFailure?, _ fault: String?
  ) throws(CommandFailure) {
    guard
      let failure = failure ?? transferFailure ?? fault.map({ CommandFailure($0) })
    else { return }
    unlink(path)
    throw failure
  }

  private static func unwritable(_ path: String) -> CommandFailure {
    CommandFailure("\(path) cannot be written: \(String(cString: strerror(errno)))")
  }
}
