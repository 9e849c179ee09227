import Glibc
import Testing

/// Writes into a file that is there.
func overwrite(_ path: String, at offset: Int, with text: String) throws {
  let file = open(path, O_WRONLY)
  try #require(file >= 0, "\(path)")
  defer { close(file) }
  let bytes = Array(text.utf8)
  #expect(pwrite(file, bytes, bytes.count, off_t(offset)) == bytes.count)
}
