/// Appends JSON to one byte buffer. The one place that prints numbers.
package struct JSONWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  /// Room for `byteCount` more. Grows at least twofold: many small calls stay linear.
  package mutating func reserve(_ byteCount: Int) {
    if bytes.count + byteCount > bytes.capacity {
      bytes.reserveCapacity(max(bytes.count + byteCount, 2 * bytes.capacity))
    }
  }

  package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  /// Text that is JSON already.
  package mutating func raw(_ text: StaticString) {
    text.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
  }

  package mutating func raw(_ text: String) { bytes.append(contentsOf: text.utf8) }
  package mutating func byte(_ byte: UInt8) { bytes.append(byte) }

  /// Bytes that are no JSON: what a protocol puts behind it.
  package mutating func raw(bytes more: UnsafeRawBufferPointer) {
    unsafe bytes.append(contentsOf: more)
  }

  /// A quoted string; control characters, quotes and bytes that are no UTF-8 are made safe.
  package mutating func string(_ text: String) {
    var text = text
    // A Swift string is UTF-8 already: nothing to check but what JSON wants escaped.
    text.withUTF8 { unsafe appendEscaped($0) }
  }

  package mutating func string(utf8 text: some Sequence<UInt8>) {
    string(String(decoding: Array(text), as: UTF8.self))
  }

  package mutating func integer(_ value: some FixedWidthInteger) {
    if let small = Int64(exactly: value) {
      unsafe append(room: NumberText.maxBytes) { unsafe NumberText.write(small, at: $0) }
    } else if let large = UInt64(exactly: value) {
      unsafe append(room: NumberText.maxBytes) { unsafe NumberText.write(large, at: $0) }
    } else {
      bytes.append(contentsOf: String(value).utf8)
    }
  }

  /// The fewest digits that a reader of doubles needs to get exactly this float32;
  /// `NaN`, `Infinity`, `-Infinity` bare.
  package mutating func number(_ value: Float) { number(Double(value)) }
  /// The fewest digits that a reader of doubles needs; NaN and infinities bare.
  package mutating func number(_ value: Double) {
    unsafe append(room: NumberText.maxBytes) { unsafe NumberText.write(value, at: $0) }
  }

  /// Lets `write` put bytes at the end, which is where it returns; it may touch `room` bytes.
  @inline(__always) @unsafe
  mutating func append(
    room: Int, _ write: (UnsafeMutableRawPointer) -> UnsafeMutableRawPointer
  ) {
    bytes.append(addingCapacity: room) { output in
      unsafe output.withUnsafeMutableBufferPointer { buffer, count in
        guard let start = buffer.baseAddress else { return }
        count = unsafe write(UnsafeMutableRawPointer(start)) - UnsafeMutableRawPointer(start)
      }
    }
  }

  /// A comma that nothing came behind becomes the end of its list.
  mutating func closeList() {
    bytes[bytes.count - 1] = UInt8(ascii: "]")
  }

  package mutating func document(_ value: DocumentValue, pretty: Bool = false) {
    append(value, indentation: pretty ? 0 : nil)
  }

  /// `indentation` is nil for one line.
  private mutating func append(_ value: DocumentValue, indentation: Int?) {
    switch value {
    case .null: raw("null")
    case .bool(let bool): raw(bool ? "true" : "false")
    case .integer(let integer): self.integer(integer)
    case .double(let double): number(double)
    case .string(let text): string(text)
    case .array(let elements):
      byte(UInt8(ascii: "["))
      let inner = indentation.map { $0 + 2 }
      for (index, element) in elements.enumerated() {
        separate(isFirst: index == 0, indentation: inner)
        append(element, indentation: inner)
      }
      if !elements.isEmpty { newline(indentation) }
      byte(UInt8(ascii: "]"))
    case .object(let object):
      byte(UInt8(ascii: "{"))
      let inner = indentation.map { $0 + 2 }
      for (index, member) in object.members.enumerated() {
        separate(isFirst: index == 0, indentation: inner)
        string(member.key)
        byte(UInt8(ascii: ":"))
        if inner != nil { byte(UInt8(ascii: " ")) }
        append(member.value, indentation: inner)
      }
      if !object.isEmpty { newline(indentation) }
      byte(UInt8(ascii: "}"))
    }
  }

  private mutating func separate(isFirst: Bool, indentation: Int?) {
    if !isFirst { byte(UInt8(ascii: ",")) }
    newline(indentation)
  }

  private mutating func newline(_ indentation: Int?) {
    guard let indentation else { return }
    byte(UInt8(ascii: "\n"))
    for _ in 0..<indentation { byte(UInt8(ascii: " ")) }
  }

  private mutating func appendEscaped(_ text: UnsafeBufferPointer<UInt8>) {
    byte(UInt8(ascii: "\""))
    var written = 0
    for index in 0..<text.count {
      let current = unsafe text[index]
      guard current < 0x20 || current == UInt8(ascii: "\"") || current == UInt8(ascii: "\\") else {
        continue
      }
      unsafe bytes.append(contentsOf: text[written..<index])
      written = index + 1
      byte(UInt8(ascii: "\\"))
      switch current {
      case UInt8(ascii: "\n"): byte(UInt8(ascii: "n"))
      case UInt8(ascii: "\r"): byte(UInt8(ascii: "r"))
      case UInt8(ascii: "\t"): byte(UInt8(ascii: "t"))
      case 0x20...: byte(current)
      default:
        raw("u00")
        byte(JSONWriter.hexDigit(current >> 4))
        byte(JSONWriter.hexDigit(current & 15))
      }
    }
    unsafe bytes.append(contentsOf: text[written...])
    byte(UInt8(ascii: "\""))
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}
