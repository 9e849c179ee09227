/// Number printing: the fewest digits that a reader of doubles needs.
enum NumberText {
  /// Appends `value` so that JSON readers give it back exactly; `5.0` keeps its point, as in
  /// Python, so that a reader sees that it is no integer.
  ///
  /// `description` allocates a string for more than 15 characters: about 0.1 µs a number.
  static func append(_ value: Double, to bytes: inout [UInt8]) {
    if value.magnitude < 0x1p53, value == value.rounded(.towardZero) {
      if value == 0, value.sign == .minus { bytes.append(UInt8(ascii: "-")) }
      append(Int64(value), to: &bytes)
      bytes.append(UInt8(ascii: "."))
      bytes.append(UInt8(ascii: "0"))
    } else if value.isFinite {
      bytes.append(contentsOf: value.description.utf8)
    } else if value.isNaN {
      bytes.append(contentsOf: "NaN".utf8)
    } else {
      bytes.append(contentsOf: (value < 0 ? "-Infinity" : "Infinity").utf8)
    }
  }

  static func append(_ value: Int64, to bytes: inout [UInt8]) {
    if value < 0 { bytes.append(UInt8(ascii: "-")) }
    append(value.magnitude, to: &bytes)
  }

  static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    if value < 10 {
      bytes.append(UInt8(ascii: "0") + UInt8(value))
      return
    }
    var digits = [20 of UInt8](repeating: 0)
    var first = 20
    var rest = value
    repeat {
      first -= 1
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      digits[first] = UInt8(ascii: "0") + UInt8(digit)
      rest = quotient
    } while rest != 0
    for index in first..<20 { bytes.append(digits[index]) }
  }
}
