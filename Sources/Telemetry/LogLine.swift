#if canImport(Glibc)
  import Glibc
#endif

/// One line of the log while it is made: JSON members, written one behind the other without a
/// document in between.
///
/// Whatever text is appended, the line stays valid UTF-8, and one line.
package struct LogLine: ~Copyable {
  private var start: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int = 640) {
    start = .allocate(capacity: capacity)
    self.capacity = capacity
  }

  deinit { start.deallocate() }

  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

  private mutating func makeRoom(for byteCount: Int) {
    guard count + byteCount > capacity else { return }
    capacity = max(capacity * 2, count + byteCount)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: capacity)
    memcpy(larger, start, count)
    start.deallocate()
    start = larger
  }

  private mutating func append(_ byte: UInt8) {
    makeRoom(for: 1)
    start[count] = byte
    count += 1
  }

  private mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    guard let source = bytes.baseAddress else { return }
    makeRoom(for: bytes.count)
    memcpy(start + count, source, bytes.count)
    count += bytes.count
  }

  /// Appends JSON that is a constant of ours.
  mutating func append(verbatim text: StaticString) {
    text.withUTF8Buffer { append($0) }
  }

  /// Appends members that another line was given: what is the same in every line of a kind is
  /// made once.
  package mutating func append(_ members: LogMembers) {
    members.bytes.withUnsafeBufferPointer { append($0) }
  }
}

/// Members made once for many lines.
package struct LogMembers: Sendable {
  fileprivate let bytes: [UInt8]

  package init(_ body: (inout LogLine) -> Void) {
    var line = LogLine()
    body(&line)
    bytes = Array(line.bytes)
  }
}

extension LogLine {
  /// Appends `,"name":value`.
  package mutating func appendLogMember(_ name: StaticString, _ value: LogValue) {
    switch value {
    case .string(let text): appendLogMember(name, text)
    case .integer(let number): appendLogMember(name, number)
    case .decimal(let number):
      appendLogName(name)
      appendLogDecimal(number)
    case .bool(let flag):
      appendLogName(name)
      append(verbatim: flag ? "true" : "false")
    }
  }

  package mutating func appendLogMember(_ name: StaticString, _ text: String) {
    appendLogName(name)
    append(UInt8(ascii: "\""))
    appendLogText(text)
    append(UInt8(ascii: "\""))
  }

  /// - Precondition: `text` needs no escape: an identifier of ours.
  package mutating func appendLogMember(
    _ name: StaticString, verbatim text: UnsafeBufferPointer<UInt8>
  ) {
    appendLogName(name)
    append(UInt8(ascii: "\""))
    append(text)
    append(UInt8(ascii: "\""))
  }

  package mutating func appendLogMember(_ name: StaticString, _ number: Int64) {
    appendLogName(name)
    appendLogInteger(number.magnitude, isNegative: number < 0)
  }

  /// Bytes as a client sent them; what is not UTF-8 becomes U+FFFD.
  package mutating func appendLogMember(_ name: StaticString, bytes: some Collection<UInt8>) {
    appendLogMember(name, String(decoding: bytes, as: UTF8.self))
  }

  /// Appends a time span as milliseconds with three decimals, without floating point.
  package mutating func appendLogMember(_ name: StaticString, millisecondsOf nanoseconds: UInt64) {
    let microseconds = nanoseconds / 1000
    guard microseconds < 10_000 else {
      appendLogName(name)
      return appendLogThousandths(microseconds, isNegative: false)
    }
    let nameBytes = Self.nameBytes(name)
    appendLogBytes(nameBytes + 5) { target in
      Self.put(name, at: target)
      let number = target + nameBytes
      let digits = UInt32(truncatingIfNeeded: microseconds)
      let zero = UInt8(ascii: "0")
      number[0] = zero + UInt8(truncatingIfNeeded: digits / 1000)
      number[1] = UInt8(ascii: ".")
      number[2] = zero + UInt8(truncatingIfNeeded: digits / 100 % 10)
      number[3] = zero + UInt8(truncatingIfNeeded: digits / 10 % 10)
      number[4] = zero + UInt8(truncatingIfNeeded: digits % 10)
    }
  }

  /// - Precondition: `name` needs no escape: it is a constant of ours.
  private mutating func appendLogName(_ name: StaticString) {
    appendLogBytes(Self.nameBytes(name)) { Self.put(name, at: $0) }
  }

  private static func nameBytes(_ name: StaticString) -> Int { name.utf8CodeUnitCount + 4 }

  @inline(__always)
  private static func put(_ name: StaticString, at target: UnsafeMutablePointer<UInt8>) {
    let count = name.utf8CodeUnitCount
    target[0] = UInt8(ascii: ",")
    target[1] = UInt8(ascii: "\"")
    memcpy(target + 2, name.utf8Start, count)
    target[count + 2] = UInt8(ascii: "\"")
    target[count + 3] = UInt8(ascii: ":")
  }

  /// Grows by `byteCount` bytes at once; `write` sets every one of them.
  @inline(__always)
  private mutating func appendLogBytes(
    _ byteCount: Int, write: (UnsafeMutablePointer<UInt8>) -> Void
  ) {
    makeRoom(for: byteCount)
    write(start + count)
    count += byteCount
  }

  private mutating func appendLogInteger(_ magnitude: UInt64, isNegative: Bool) {
    var digitCount = 1
    var rest = magnitude / 10
    while rest > 0 {
      digitCount += 1
      rest /= 10
    }
    let signCount = isNegative ? 1 : 0
    appendLogBytes(signCount + digitCount) { target in
      if isNegative { target[0] = UInt8(ascii: "-") }
      var rest = magnitude
      for index in (signCount..<(signCount + digitCount)).reversed() {
        target[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
    }
  }

  private mutating func appendLogDecimal(_ number: Double) {
    // JSON has no word for what is not finite.
    guard number.isFinite else { return append(verbatim: "null") }
    let thousandths = (number.magnitude * 1000).rounded()
    guard thousandths < 0x1p63 else { return appendLogText(number.description) }
    appendLogThousandths(UInt64(thousandths), isNegative: number < 0 && thousandths > 0)
  }

  private mutating func appendLogThousandths(_ thousandths: UInt64, isNegative: Bool) {
    appendLogInteger(thousandths / 1000, isNegative: isNegative)
    let rest = UInt8(truncatingIfNeeded: thousandths % 1000 / 10)
    appendLogBytes(4) { target in
      target[0] = UInt8(ascii: ".")
      target[1] = UInt8(ascii: "0") + rest / 10
      target[2] = UInt8(ascii: "0") + rest % 10
      target[3] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: thousandths % 10)
    }
  }

  mutating func appendLogText(_ text: StaticString) {
    text.withUTF8Buffer { appendLogEscaped($0) }
  }

  mutating func appendLogText(_ text: String) {
    var text = text
    text.withUTF8 { appendLogEscaped($0) }
  }

  /// - Precondition: `bytes` are valid UTF-8.
  private mutating func appendLogEscaped(_ bytes: UnsafeBufferPointer<UInt8>) {
    var runStart = 0
    var index = Self.plainPrefix(bytes)
    while index < bytes.count {
      let length = Self.escapedLength(bytes, at: index)
      if length == 0 {
        index += 1
        continue
      }
      appendLogRun(bytes, runStart..<index)
      appendLogEscape(bytes, at: index, length: length)
      index += length
      runStart = index
    }
    appendLogRun(bytes, runStart..<bytes.count)
  }

  private mutating func appendLogRun(_ bytes: UnsafeBufferPointer<UInt8>, _ run: Range<Int>) {
    append(UnsafeBufferPointer(rebasing: bytes[run]))
  }

  /// How many bytes at the start are plain, looked at eight at a time: nearly always all of
  /// them, but for a rest of up to seven.
  private static func plainPrefix(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
    let raw = UnsafeRawBufferPointer(bytes)
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highBits: UInt64 = 0x8080_8080_8080_8080
    /// The high bit of each zero byte; also of others, but only where there is a zero byte.
    func zeroBytes(_ word: UInt64) -> UInt64 { (word &- ones) & ~word & highBits }
    var index = 0
    while index + 8 <= raw.count {
      let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
      // Source: "Bit Twiddling Hacks", a zero byte and a byte below n in a word.
      let isBelowSpace = (word &- ones &* 0x20) & ~word & highBits
      let special =
        isBelowSpace | zeroBytes(word ^ (ones &* 0x22)) | zeroBytes(word ^ (ones &* 0x5C))
        | zeroBytes(word ^ (ones &* 0x7F)) | (word & highBits)
      if special != 0 { return index }
      index += 8
    }
    return index
  }

  /// How many bytes the character at `index` has if it must be escaped, else 0.
  ///
  /// Beside what JSON asks for: DEL and the C1 controls, which terminals act on, and U+2028 and
  /// U+2029, which some readers take for the end of a line.
  private static func escapedLength(_ bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> Int {
    switch bytes[index] {
    case 0x00..<0x20, 0x22, 0x5C, 0x7F: return 1
    case 0xC2 where index + 1 < bytes.count && bytes[index + 1] < 0xA0: return 2
    case 0xE2
    where index + 2 < bytes.count && bytes[index + 1] == 0x80 && bytes[index + 2] & 0xFE == 0xA8:
      return 3
    default: return 0
    }
  }

  private mutating func appendLogEscape(
    _ bytes: UnsafeBufferPointer<UInt8>, at index: Int, length: Int
  ) {
    let byte = bytes[index]
    append(UInt8(ascii: "\\"))
    switch (length, byte) {
    case (1, 0x22), (1, 0x5C): append(byte)
    case (1, 0x0A): append(UInt8(ascii: "n"))
    case (1, 0x0D): append(UInt8(ascii: "r"))
    case (1, 0x09): append(UInt8(ascii: "t"))
    case (1, _): appendLogHex(UInt16(byte))
    case (2, _): appendLogHex(UInt16(bytes[index + 1]))
    default: appendLogHex(0x2000 | UInt16(bytes[index + 2] & 0x3F))
    }
  }

  private mutating func appendLogHex(_ code: UInt16) {
    append(UInt8(ascii: "u"))
    for shift in [12, 8, 4, 0] as [UInt16] {
      let digit = UInt8(truncatingIfNeeded: code >> shift) & 0xF
      append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    }
  }
}
