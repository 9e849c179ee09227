internal import CZlib

/// Unpacks gzip as it comes, member behind member. One thread at a time.
@safe package final class Inflater: @unchecked Sendable {
  // Owned. The library remembers the address of the stream: it does not move.
  private let stream: UnsafeMutablePointer<z_stream>
  /// Between two members, or before the first: an end of the input is no fault.
  package private(set) var isAtMemberEnd = true
  /// Met behind bytes that were good: for the call after the one that gave those out.
  private var failure: CompressionError?

  package init() throws(CompressionError) {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    guard
      unsafe inflateInit2_(
        stream, MAX_WBITS + 16, zlibVersion(), Int32(MemoryLayout<z_stream>.size)) == Z_OK
    else {
      unsafe stream.deallocate()
      throw .noMemory
    }
  }

  deinit {
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
  }

  /// Takes some of `input` and writes some bytes to `output`; either may be none, but not both
  /// as long as there are input and room. What stands before damaged data is given out before the
  /// damage is thrown.
  package func inflate(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> (consumed: Int, produced: Int) {
    let inputCount = min(input.count, 1 << 30)
    let room = min(output.count, 1 << 30)
    guard room > 0 else { return (0, 0) }
    if let failure { throw failure }
    if isAtMemberEnd {
      guard inputCount > 0 else { return (0, 0) }
      guard unsafe inflateReset(stream) == Z_OK else { throw .noMemory }
      isAtMemberEnd = false
    }
    unsafe stream.pointee.next_in = unsafe UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    unsafe stream.pointee.avail_in = UInt32(inputCount)
    unsafe stream.pointee.next_out = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = UInt32(room)
    let status = unsafe CZlib.inflate(stream, Z_NO_FLUSH)
    let consumed = unsafe inputCount - Int(stream.pointee.avail_in)
    let produced = unsafe room - Int(stream.pointee.avail_out)
    switch status {
    case Z_OK, Z_BUF_ERROR: break
    case Z_STREAM_END: isAtMemberEnd = true
    case Z_MEM_ERROR: throw .noMemory
    default:
      let damage = CompressionError.malformed(
        .gzip,
        reason: unsafe stream.pointee.msg.map { unsafe String(cString: $0) } ?? "damaged data")
      guard produced > 0 else { throw damage }
      failure = damage
    }
    return (consumed, produced)
  }
}
