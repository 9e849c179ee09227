internal import CZlib

extension ContentCoding {
  /// Beyond this many times its size a body is refused once it is over `minBytesForRatio`.
  package static let maxRatio = 100
  /// Below this a body may be as repetitive as it likes: a tensor of zeros packs a thousandfold.
  package static let minBytesForRatio = 16 << 20

  /// What a body of so many bytes may become.
  package static func maxBytes(ofPacked byteCount: Int) -> Int {
    let (product, overflows) = byteCount.multipliedReportingOverflow(by: maxRatio)
    return overflows ? .max : max(minBytesForRatio, product)
  }

  /// The bytes that `packed` stands for. Memory grows with what has come out, never with what a
  /// header claims.
  package func decompressed(
    _ packed: Span<UInt8>, maxBytes: Int
  ) throws(CompressionError) -> [UInt8] {
    var stream = unsafe z_stream()
    // 16 more than the window's bits mean gzip, none mean zlib.
    let windowBits = self == .gzip ? MAX_WBITS + 16 : MAX_WBITS
    guard
      unsafe inflateInit2_(
        &stream, windowBits, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else { throw .noMemory }
    defer { unsafe inflateEnd(&stream) }
    let limit = min(maxBytes, ContentCoding.maxBytes(ofPacked: packed.count))
    var output: [UInt8] = []
    output.reserveCapacity(min(limit, packed.count * 4 + 64))
    var consumed = 0
    var hasEnded = false
    while !hasEnded || consumed < packed.count {
      if hasEnded {
        // gzip's members may follow one another; behind zlib's stream nothing may.
        guard self == .gzip, unsafe inflateReset(&stream) == Z_OK else {
          throw .malformed(self, reason: "bytes follow its end")
        }
        hasEnded = false
      }
      let before = consumed
      let status = unsafe step(&stream, packed, &consumed, &output)
      switch status {
      case Z_OK, Z_BUF_ERROR: break
      case Z_STREAM_END: hasEnded = true
      case Z_MEM_ERROR: throw .noMemory
      default:
        throw .malformed(
          self, reason: unsafe stream.msg.map { unsafe String(cString: $0) } ?? "damaged data")
      }
      guard output.count <= limit else {
        throw limit == maxBytes ? .tooLarge(limit: maxBytes) : .amplified(ratio: Self.maxRatio)
      }
      if status == Z_BUF_ERROR || (status == Z_OK && consumed == before),
        consumed == packed.count, unsafe stream.avail_out > 0
      {
        throw .truncated(self)
      }
    }
    return output
  }

  /// Lets the library write one piece more.
  private func step(
    _ stream: inout z_stream, _ packed: Span<UInt8>, _ consumed: inout Int,
    _ output: inout [UInt8]
  ) -> Int32 {
    let piece = min(max(output.count, 4096), 1 << 20)
    let inputCount = min(packed.count - consumed, 1 << 30)
    var status: Int32 = Z_OK
    output.append(addingCapacity: piece) { room in
      unsafe room.withUnsafeMutableBufferPointer { buffer, count in
        unsafe packed.withUnsafeBufferPointer { input in
          unsafe stream.next_in = unsafe UnsafeMutablePointer(
            mutating: input.baseAddress.map { unsafe $0 + consumed })
          unsafe stream.avail_in = UInt32(inputCount)
          unsafe stream.next_out = buffer.baseAddress
          unsafe stream.avail_out = UInt32(piece)
          unsafe status = CZlib.inflate(&stream, Z_NO_FLUSH)
        }
        count = unsafe piece - Int(stream.avail_out)
      }
    }
    consumed += unsafe inputCount - Int(stream.avail_in)
    return status
  }
}
