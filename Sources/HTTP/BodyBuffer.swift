internal import Glibc

/// Growing memory for a request's body. Owned by whoever holds it last, who calls `free`.
@safe struct BodyBuffer {
  private(set) var count = 0
  private var capacity = 0
  private var memory: UnsafeMutablePointer<UInt8>?

  /// A declared length is not believed beyond this before the bytes have come.
  private static let maxBytesOnTrust = 1 << 20
  /// Larger memory is given back after the request: ten thousand idle connections keep theirs.
  static let maxSpareBytes = 4096

  /// Makes room for a body that claims `byteCount` bytes.
  mutating func reserve(_ byteCount: Int) {
    grow(to: min(byteCount, Self.maxBytesOnTrust))
  }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let source = bytes.baseAddress else { return }
    let end = count + bytes.count
    if end > capacity { grow(to: max(end, capacity * 2, 1024)) }
    guard let memory = unsafe memory else { return }
    unsafe memcpy(memory + count, source, bytes.count)
    count = end
  }

  var bytes: UnsafeBufferPointer<UInt8> {
    unsafe UnsafeBufferPointer(start: memory, count: count)
  }

  mutating func removeAll() { count = 0 }

  /// Frees memory that is too large to keep.
  mutating func trim() {
    count = 0
    if capacity > Self.maxSpareBytes { free() }
  }

  mutating func free() {
    unsafe Glibc.free(memory)
    unsafe memory = nil
    count = 0
    capacity = 0
  }

  private mutating func grow(to newCapacity: Int) {
    guard newCapacity > capacity else { return }
    guard let grown = unsafe realloc(memory, newCapacity) else {
      preconditionFailure("no memory for a body of \(newCapacity) bytes")
    }
    unsafe memory = grown.assumingMemoryBound(to: UInt8.self)
    capacity = newCapacity
  }
}

/// A body that has left its exchange: whoever holds this has its bytes.
@safe package final class HTTPBody: @unchecked Sendable {
  // `@unchecked`: nobody writes to the memory any more, which goes with this object.
  private var buffer: BodyBuffer

  init(_ buffer: consuming BodyBuffer) { self.buffer = buffer }

  deinit { buffer.free() }

  package var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let span = unsafe Span(_unsafeElements: buffer.bytes)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }
}
