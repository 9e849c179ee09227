import Glibc

/// Files that the person at the terminal names.
enum LocalFile {
  /// The whole content of a file; `-` is standard input.
  static func read(_ path: String) throws(CommandFailure) -> [UInt8] {
    let descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path, "cannot be opened") }
    defer { if descriptor != 0 { close(descriptor) } }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = Glibc.read(descriptor, &block, block.count)
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failure(path, "cannot be read") }
      if count == 0 { return bytes }
      bytes.append(contentsOf: block[0..<count])
    }
  }

  static func readText(_ path: String) throws(CommandFailure) -> String {
    let bytes = try read(path)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw CommandFailure("\(path) is not UTF-8 text")
    }
    return text
  }

  static func write(_ bytes: [UInt8], to path: String) throws(CommandFailure) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure(path, "cannot be written") }
    defer { close(descriptor) }
    var offset = 0
    while offset < bytes.count {
      let count = bytes.withUnsafeBytes { buffer in
        Glibc.write(descriptor, buffer.baseAddress?.advanced(by: offset), buffer.count - offset)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure(path, "cannot be written") }
      offset += count
    }
  }

  static func makeFolder(_ path: String) throws(CommandFailure) {
    var partial = path.hasPrefix("/") ? "/" : ""
    for part in path.split(separator: "/") {
      partial += (partial.isEmpty || partial.hasSuffix("/") ? "" : "/") + part
      if mkdir(partial, 0o755) != 0 && errno != EEXIST {
        throw failure(partial, "cannot be made")
      }
    }
  }

  /// The path from the root, without asking that anything be there.
  static func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    guard let folder = getcwd(nil, 0) else { return path }
    defer { free(folder) }
    let trimmed = path.hasPrefix("./") ? String(path.dropFirst(2)) : path
    return String(cString: folder) + (trimmed.isEmpty || trimmed == "." ? "" : "/" + trimmed)
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func folder(of path: String) -> String {
    let whole = absolute(path)
    guard let slash = whole.lastIndex(of: "/"), slash != whole.startIndex else { return "/" }
    return String(whole[..<slash])
  }

  private static func failure(_ path: String, _ what: String) -> CommandFailure {
    CommandFailure("\(path) \(what): \(String(cString: strerror(errno)))")
  }
}
