import Glibc

/// Standard output, without buffering behind our back.
enum StandardOutput {
  static func write(_ text: String) { write(Array(text.utf8)) }

  /// - Returns: Whether all of it got through; else `errno` says why.
  @discardableResult
  static func write(_ bytes: [UInt8]) -> Bool { writeAll(bytes, to: 1) }
}

enum StandardError {
  static func write(_ text: String) { _ = writeAll(Array(text.utf8), to: 2) }

  /// Of the terminal that it is; 80 where none says.
  static var columns: Int {
    var size = winsize()
    guard ioctl(2, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
    return Int(size.ws_col)
  }

  static func warn(_ sentences: [String]) {
    for sentence in sentences { write("swerve: warning: \(sentence)\n") }
  }
}

/// Ends the process with a status that ArgumentParser has no name for.
func endProcess(_ status: Int32) -> Never {
  Glibc.exit(status)
}

private func writeAll(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
  var offset = 0
  while offset < bytes.count {
    let written = bytes.withUnsafeBytes { buffer in
      Glibc.write(descriptor, buffer.baseAddress?.advanced(by: offset), buffer.count - offset)
    }
    if written < 0 && errno == EINTR { continue }
    // A closed pipe: whoever read us has seen enough.
    guard written > 0 else { return false }
    offset += written
  }
  return true
}
