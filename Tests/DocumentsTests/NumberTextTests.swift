import Foundation
import Testing

@testable import Documents

/// The text of a double against what `Double.description` says, laid out as the answers are.
@Suite struct NumberTextTests {
  private static func expected(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    if value.magnitude < 0x1p53, value == value.rounded(.towardZero) {
      return "\(value.sign == .minus ? "-" : "")\(Int64(value.magnitude)).0"
    }
    return value.description
  }

  /// Compares whole lists, and looks for the number only in one that differs.
  private func expectSame(_ values: [Double], _ location: SourceLocation = #_sourceLocation) {
    var list = JSONWriter()
    list.list(values.span)
    let texts = values.map(Self.expected)
    if list.bytes.elementsEqual("[\(texts.joined(separator: ","))]".utf8) { return }
    for (value, text) in zip(values, texts) {
      var writer = JSONWriter()
      writer.number(value)
      #expect(
        String(decoding: writer.bytes, as: UTF8.self) == text, "\(value.bitPattern)",
        sourceLocation: location)
    }
    Issue.record("a list of \(values.count) numbers differs", sourceLocation: location)
  }

  private func floats(_ values: [Float], width: Int? = nil) -> String {
    var writer = JSONWriter()
    if let width { writer.table(values.span, width: width) } else { writer.list(values.span) }
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  private func integers(_ values: [Int64], width: Int? = nil) -> String {
    var writer = JSONWriter()
    if let width { writer.table(values.span, width: width) } else { writer.list(values.span) }
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  private static let perKind = 40_000

  @Test func `random bit patterns`() {
    var random = SystemRandomNumberGenerator()
    expectSame((0..<2 * Self.perKind).map { _ in Double(bitPattern: random.next()) })
  }

  @Test func `random float32 of every exponent`() {
    var random = SystemRandomNumberGenerator()
    for exponent in UInt32(0)...255 {
      expectSame(
        (0..<Self.perKind / 256).map { _ in
          let fraction = UInt32.random(in: 0..<1 << 24, using: &random)
          let bits = exponent << 23 | fraction & 0x7F_FFFF | fraction << 8 & 1 << 31
          return Double(Float(bitPattern: bits))
        })
      let first = Float(bitPattern: exponent << 23)
      expectSame([first, first.nextUp, first.nextDown, -first].map(Double.init))
    }
  }

  @Test func `probabilities`() {
    expectSame((0..<Self.perKind).map { _ in Double.random(in: 0..<1) })
    expectSame((0..<Self.perKind).map { _ in Double(Float.random(in: 0..<1)) })
  }

  @Test func `powers of two and their neighbours`() {
    for exponent in UInt64(0)...2046 {
      let power = Double(bitPattern: exponent << 52)
      expectSame([power, power.nextUp, power.nextDown, power.nextUp.nextUp, -power])
    }
  }

  @Test func `subnormal numbers`() {
    expectSame((0..<200).map { Double(bitPattern: $0) })
    expectSame(
      (0..<Self.perKind).map { _ in
        Double(bitPattern: UInt64.random(in: 0..<1 << UInt64.random(in: 1...52)))
      })
  }

  @Test func `powers of ten and what stands beside them`() {
    for exponent in -330...308 {
      for digit in [1, 2, 5, 9, 15, 99, 12_345] {
        let value = strtod("\(digit)e\(exponent)", nil)
        expectSame([value, value.nextUp, value.nextDown])
      }
    }
  }

  @Test func `few digits at every place of the point`() {
    for digits in [1, 7, 12, 105, 999, 12_345, 1_234_567, 123_456_789_012, 999_999_999_999_999] {
      expectSame((0...30).map { strtod("\(digits)e-\($0)", nil) })
    }
    expectSame(
      (0..<Self.perKind).map { _ in
        Double(Int.random(in: -9_999_999...9_999_999)) / [1, 10, 100, 1e4, 1e6].randomElement()!
      })
  }

  @Test func `integers, and where they change to powers of ten`() {
    expectSame(
      (0..<Self.perKind).map { _ in
        Double(Int64.random(in: .min ... .max) >> Int64.random(in: 0...62))
      }
    )
    let last = 0x1p53
    expectSame([last - 1, last, last + 2, last + 4, -last, 1 - last, last * 2, last * 2 + 4])
    expectSame([0, -0.0, 1, -1, 9, 10, 99_999_999, 100_000_000, 1e15, 1e16, 1e17])
  }

  @Test func `decimals half way between two candidates`() {
    // Odd multiples of a power of two that end in 5 just behind the last digit there is room for.
    for odd in 1...400 {
      let whole = Double(2 * odd + 1) * 0x1p52
      expectSame((0...60).map { whole / Double(UInt64(1) << UInt64($0)) })
    }
    expectSame([9.5, .leastNonzeroMagnitude, 2e-44, 1.1754943508222875e-38])
  }

  @Test func `no number`() {
    expectSame([.nan, -.nan, .signalingNaN, .infinity, -.infinity])
  }

  @Test func `integers have their digits`() {
    let integers: [Int64] = [
      0, 5, -5, 10, -10, 99_999_999, 100_000_000, 123_456_789, -1_000_000_000_000_000_000, .min,
      .max,
    ]
    let random = (0..<Self.perKind).map { _ -> Int64 in
      Int64.random(in: .min ... .max) >> Int64.random(in: 0...63)
    }
    for list in [integers, random] {
      var writer = JSONWriter()
      writer.list(list.span)
      #expect(
        writer.bytes.elementsEqual("[\(list.map(\.description).joined(separator: ","))]".utf8))
    }
    var writer = JSONWriter()
    writer.integer(UInt64.max)
    #expect(writer.bytes.elementsEqual("18446744073709551615".utf8))
  }

  @Test func `lists and tables have their commas and brackets`() {
    #expect(floats([]) == "[]")
    #expect(floats([1.5]) == "[1.5]")
    #expect(floats([0.5, -2]) == "[0.5,-2.0]")
    #expect(integers([1, 2]) == "[1,2]")
    #expect(floats([], width: 3) == "[]")
    #expect(floats([1, 2], width: 1) == "[[1.0],[2.0]]")
    #expect(integers([1, 2, 3, 4], width: 2) == "[[1,2],[3,4]]")
    // Longer than what is written at once, with rows across it.
    let many = (0..<1001).map(Float.init)
    let rows = stride(from: 0, to: 1001, by: 7).map { row in
      "[\((row..<row + 7).map { "\($0).0" }.joined(separator: ","))]"
    }
    #expect(floats(many, width: 7) == "[\(rows.joined(separator: ","))]")
  }
}
