internal import CZlib

extension ContentCoding {
  /// `plain` in this coding, at the library's fastest level: an answer waits for it.
  ///
  /// - Returns: nil when there is no memory for it, or it would not become smaller.
  package func compressed(_ plain: [UInt8]) -> [UInt8]? {
    guard !plain.isEmpty, plain.count < 1 << 30 else { return nil }
    var stream = unsafe z_stream()
    let windowBits = self == .gzip ? MAX_WBITS + 16 : MAX_WBITS
    guard
      unsafe deflateInit2_(
        &stream, Z_BEST_SPEED, Z_DEFLATED, windowBits, 8, Z_DEFAULT_STRATEGY, zlibVersion(),
        Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { return nil }
    defer { unsafe deflateEnd(&stream) }
    // One byte less than what came: what does not fit is not worth it.
    let room = plain.count - 1
    var status = Z_OK
    let packed = unsafe [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
      unsafe plain.withUnsafeBufferPointer { input in
        unsafe stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        unsafe stream.avail_in = UInt32(input.count)
        unsafe stream.next_out = buffer.baseAddress
        unsafe stream.avail_out = UInt32(room)
        unsafe status = CZlib.deflate(&stream, Z_FINISH)
      }
      count = unsafe room - Int(stream.avail_out)
    }
    return status == Z_STREAM_END ? packed : nil
  }
}
