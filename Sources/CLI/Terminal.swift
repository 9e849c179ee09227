import Glibc

/// Standard output, without buffering behind our back.
enum StandardOutput {
  static func write(_ text: String) { writeAll(Array(text.utf8), to: 1) }
  static func write(_ bytes: [UInt8]) { writeAll(bytes, to: 1) }
}

enum StandardError {
  static func write(_ text: String) { writeAll(Array(text.utf8), to: 2) }
}

/// Ends the process with a status that ArgumentParser has no name for.
func endProcess(_ status: Int32) -> Never {
  Glibc.exit(status)
}

private func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
  var offset = 0
  while offset < bytes.count {
    let written = bytes.withUnsafeBytes { buffer in
      Glibc.write(descriptor, buffer.baseAddress?.advanced(by: offset), buffer.count - offset)
    }
    if written < 0 && errno == EINTR { continue }
    // A closed pipe: whoever read us has seen enough.
    guard written > 0 else { return }
    offset += written
  }
}
