#if canImport(Glibc)
  internal import Glibc
#endif

/// The whole of a small file.
func fileBytes(_ path: String, maxBytes: Int) throws(GatewayError) -> [UInt8] {
  let descriptor = open(path, O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { throw GatewayError("\(path): \(lastErrorText())") }
  defer { close(descriptor) }
  var bytes: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 16_384)
  while true {
    let count = block.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
    if count == 0 { return bytes }
    guard count > 0 else {
      if errno == EINTR { continue }
      throw GatewayError("\(path): \(lastErrorText())")
    }
    bytes.append(contentsOf: block[..<count])
    guard bytes.count <= maxBytes else {
      throw GatewayError("\(path) is larger than \(maxBytes) bytes")
    }
  }
}
