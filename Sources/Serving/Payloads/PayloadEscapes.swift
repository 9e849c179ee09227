/// The escapes of a JSON string.
enum PayloadEscapes {
  /// Appends the bytes that the raw text in `range` means.
  static func decode(
    _ text: Span<UInt8>, _ range: Range<Int>, into bytes: inout [UInt8]
  ) throws(PayloadFault) {
    var index = range.lowerBound
    while index < range.upperBound {
      let byte = text[index]
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        index += 1
        continue
      }
      index += 1
      guard index < range.upperBound else {
        throw PayloadFault(offset: index, reason: "a string ends inside an escape")
      }
      let escape = text[index]
      index += 1
      switch escape {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): bytes.append(escape)
      case UInt8(ascii: "b"): bytes.append(0x08)
      case UInt8(ascii: "f"): bytes.append(0x0C)
      case UInt8(ascii: "n"): bytes.append(0x0A)
      case UInt8(ascii: "r"): bytes.append(0x0D)
      case UInt8(ascii: "t"): bytes.append(0x09)
      case UInt8(ascii: "u"):
        let scalar = try unicode(text, &index, range.upperBound)
        bytes.append(contentsOf: String(Character(scalar)).utf8)
      default:
        throw PayloadFault(offset: index - 1, reason: "a string holds an unknown escape")
      }
    }
  }

  private static func unicode(
    _ text: Span<UInt8>, _ index: inout Int, _ end: Int
  ) throws(PayloadFault) -> Unicode.Scalar {
    let start = index
    let first = try fourDigits(text, &index, end)
    var value = UInt32(first)
    if first >= 0xD800 && first < 0xDC00 {
      guard index + 1 < end, text[index] == UInt8(ascii: "\\"),
        text[index + 1] == UInt8(ascii: "u")
      else {
        throw PayloadFault(offset: start, reason: "a string holds half a surrogate pair")
      }
      index += 2
      let second = try fourDigits(text, &index, end)
      guard second >= 0xDC00 && second < 0xE000 else {
        throw PayloadFault(offset: start, reason: "a string holds half a surrogate pair")
      }
      value = 0x10000 + (UInt32(first) - 0xD800) << 10 + (UInt32(second) - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(value) else {
      throw PayloadFault(offset: start, reason: "a string holds half a surrogate pair")
    }
    return scalar
  }

  private static func fourDigits(
    _ text: Span<UInt8>, _ index: inout Int, _ end: Int
  ) throws(PayloadFault) -> UInt16 {
    guard index + 4 <= end else {
      throw PayloadFault(offset: index, reason: "a string ends inside an escape")
    }
    var value: UInt16 = 0
    for _ in 0..<4 {
      let byte = text[index]
      let digit: UInt8
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
      case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
      default:
        throw PayloadFault(offset: index, reason: "\\u takes four hexadecimal digits")
      }
      value = value << 4 | UInt16(digit)
      index += 1
    }
    return value
  }
}
