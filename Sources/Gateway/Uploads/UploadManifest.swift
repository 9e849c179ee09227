internal import Documents
internal import Store

/// The files that an upload consists of, as the client declares them: checked here before anything
/// is made on the disk.
struct UploadManifest: Equatable, Sendable {
  struct File: Equatable, Sendable {
    /// Relative, `/` between parts, no part of which leads anywhere else.
    var path: String
    var byteCount: Int
    /// 64 lowercase hexadecimal digits; nil before the commit.
    var sha256: String?
  }

  static let maxFiles = 10_000
  static let maxDepth = 40
  /// What the file systems allow for one name.
  private static let maxNameBytes = 255
  private static let maxPathBytes = 4095

  var files: [File]
  /// All files together.
  private(set) var byteCount = 0

  /// Reads `"files": [{"path", "bytes", "sha256"}]`.
  ///
  /// - Parameters:
  ///   - maxBytes: For all files together.
  ///   - needsHashes: At the commit.
  init(
    _ document: Document, maxBytes: Int, needsHashes: Bool
  ) throws(DocumentError) {
    let list = try document.required("files")
    let elements = try list.elements()
    guard (1...Self.maxFiles).contains(elements.count) else {
      throw list.mismatch("1 to \(Self.maxFiles) files")
    }
    files = []
    var names: Set<String> = []
    var folders: Set<String> = []
    for element in elements {
      let file = try Self.file(element, needsHash: needsHashes)
      let place = try element.required("path")
      guard names.insert(file.path).inserted, !folders.contains(file.path) else {
        throw Self.fault(place, "a path that no other file has", file.path)
      }
      let parts = pathParts(file.path)
      for depth in parts.indices.dropFirst() {
        folders.insert(parts[..<depth].joined(separator: "/"))
      }
      guard folders.count <= Self.maxFiles else {
        throw list.mismatch("at most \(Self.maxFiles) folders")
      }
      let (sum, overflows) = byteCount.addingReportingOverflow(file.byteCount)
      guard !overflows, sum <= maxBytes else {
        throw .tooLarge(
          source: document.source,
          reason: "the files have more than \(maxBytes) bytes together (--max-upload-bytes)")
      }
      byteCount = sum
      files.append(file)
    }
    if let both = names.first(where: folders.contains) {
      throw Self.fault(list, "no file that is a folder of another file's path", both)
    }
  }

  private static func file(_ element: Document, needsHash: Bool) throws(DocumentError) -> File {
    let place = try element.required("path")
    let path = try place.string()
    guard isContained(path) else {
      throw fault(place, "a relative path without '.', '..' or empty parts", path)
    }
    let byteCount = try element.required("bytes").integer(in: 0...(1 << 50))
    var hash: String?
    if needsHash {
      let member = try element.required("sha256")
      let text = try member.string().lowercased()
      guard isHash(text) else { throw fault(member, "64 hexadecimal digits", text) }
      hash = text
    }
    return File(path: path, byteCount: byteCount, sha256: hash)
  }

  static func isContained(_ path: String) -> Bool {
    let parts = pathParts(path)
    return !path.isEmpty && path.utf8.count <= maxPathBytes && parts.count <= maxDepth
      && path.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
      && parts.allSatisfy {
        !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= maxNameBytes
      }
  }

  static func isHash(_ text: String) -> Bool {
    text.utf8.count == 64
      && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  private static func fault(
    _ place: Document, _ expected: String, _ received: String
  ) -> DocumentError {
    .value(
      source: place.source, path: place.path, expected: expected,
      received: "'\(received.prefix(200))'")
  }
}
