internal import CLinux
internal import Glibc
internal import Synchronization

/// Growing memory for a request's body. Owned by whoever holds it last, who calls `free`.
///
/// A small body lies on the heap. A large one has pages of its own (`BodyPages`).
@safe struct BodyBuffer {
  private(set) var count = 0
  private var capacity = 0
  private var memory: UnsafeMutablePointer<UInt8>?

  /// A declared length is not believed beyond this before the bytes have come.
  private static let maxBytesOnTrust = 1 << 20
  /// From this capacity on the memory is pages of its own.
  private static let minPagedBytes = 1 << 20
  /// Larger memory is given back after the request: ten thousand idle connections keep theirs.
  static let maxSpareBytes = 4096

  /// Makes room for a body that claims `byteCount` bytes.
  mutating func reserve(_ byteCount: Int) {
    // Where there is none now, `append` tells.
    _ = grow(to: min(byteCount, Self.maxBytesOnTrust))
  }

  /// False where the system has no memory for them.
  mutating func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let source = bytes.baseAddress else { return true }
    let end = count + bytes.count
    if end > capacity, !grow(to: max(end, capacity * 2, 1024)) { return false }
    guard let memory = unsafe memory else { return false }
    unsafe memcpy(memory + count, source, bytes.count)
    count = end
    return true
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
    if capacity >= Self.minPagedBytes, let memory = unsafe memory {
      unsafe BodyPages(start: memory, byteCount: capacity).giveBack()
    } else {
      unsafe Glibc.free(memory)
    }
    unsafe memory = nil
    count = 0
    capacity = 0
  }

  private mutating func grow(to newCapacity: Int) -> Bool {
    guard newCapacity > capacity else { return true }
    if newCapacity >= Self.minPagedBytes { return growPages(to: newCapacity) }
    guard let grown = unsafe realloc(memory, newCapacity) else { return false }
    unsafe memory = grown.assumingMemoryBound(to: UInt8.self)
    capacity = newCapacity
    return true
  }

  private mutating func growPages(to newCapacity: Int) -> Bool {
    var pages: BodyPages?
    if capacity >= Self.minPagedBytes, let memory = unsafe memory {
      pages = unsafe BodyPages(start: memory, byteCount: capacity).grown(to: newCapacity)
    } else {
      pages = BodyPages.some(newCapacity)
      if let pages {
        if let memory = unsafe memory { unsafe memcpy(pages.start, memory, count) }
        unsafe Glibc.free(memory)
      }
    }
    guard let pages else { return false }
    unsafe memory = pages.start
    capacity = pages.byteCount
    return true
  }
}

/// Pages of a large body: they grow without a copy, and take memory only where bytes have come.
///
/// Two of them are kept for the next large bodies, since the kernel takes longer to make a page
/// than a body to be copied into it. The heap would keep more, and in the arena of each thread.
@safe struct BodyPages {
  let start: UnsafeMutablePointer<UInt8>
  let byteCount: Int

  private static let unit = 1 << 20
  private static let maxSpareBytes = 8 << 20
  private static let aSpare = Atomic<UInt>(0)
  private static let anotherSpare = Atomic<UInt>(0)

  init(start: UnsafeMutablePointer<UInt8>, byteCount: Int) {
    unsafe self.start = start
    self.byteCount = byteCount
  }

  /// At least `byteCount` bytes; nil where the system has none.
  static func some(_ byteCount: Int) -> BodyPages? {
    var packed = aSpare.exchange(0, ordering: .acquiring)
    if packed == 0 { packed = anotherSpare.exchange(0, ordering: .acquiring) }
    if let spare = BodyPages(packed: packed) {
      if let grown = spare.grown(to: byteCount) { return grown }
      spare.giveBack()
      return nil
    }
    guard let rounded = wholeUnits(byteCount), let pages = unsafe swerve_map_pages(rounded) else {
      return nil
    }
    return unsafe BodyPages(
      start: pages.assumingMemoryBound(to: UInt8.self), byteCount: rounded)
  }

  /// These pages with more behind them; nil, and all as it was, where the system has none.
  func grown(to newByteCount: Int) -> BodyPages? {
    guard newByteCount > byteCount else { return self }
    guard let rounded = Self.wholeUnits(newByteCount),
      let pages = unsafe swerve_grow_pages(start, byteCount, rounded)
    else { return nil }
    return unsafe BodyPages(
      start: pages.assumingMemoryBound(to: UInt8.self), byteCount: rounded)
  }

  /// They are nobody's from here on.
  func giveBack() {
    let packed = packed
    if byteCount <= Self.maxSpareBytes,
      Self.aSpare.compareExchange(expected: 0, desired: packed, ordering: .releasing).exchanged
        || Self.anotherSpare.compareExchange(expected: 0, desired: packed, ordering: .releasing)
          .exchanged
    {
      return
    }
    unsafe munmap(start, byteCount)
  }

  private static func wholeUnits(_ byteCount: Int) -> Int? {
    let (sum, overflows) = byteCount.addingReportingOverflow(unit - 1)
    return overflows ? nil : sum / unit * unit
  }

  // A spare's address and its size in one word: a page's address leaves twelve bits for the number
  // of units, of which there are at most eight.

  private var packed: UInt {
    unsafe UInt(bitPattern: start) | UInt(bitPattern: byteCount / Self.unit) & 0xFFF
  }

  private init?(packed: UInt) {
    let address = unsafe UnsafeMutablePointer<UInt8>(bitPattern: packed & ~0xFFF)
    guard let address = unsafe address else { return nil }
    unsafe self.init(start: address, byteCount: Int(packed & 0xFFF) * Self.unit)
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
