import Foundation
import Testing

@testable import Documents

@Suite struct NumberScannerTests {
  private func scan(_ text: String) -> ScannedNumber? {
    var position = 0
    let bytes = Array(text.utf8)
    let number = NumberScanner.scan(bytes.span, at: &position)
    if number != nil { #expect(position == bytes.count, "\(text)") }
    return number
  }

  @Test func `a short number is the same whether or not eight bytes are there`() {
    func scan(_ text: String) -> [UInt64]? {
      let bytes = Array(text.utf8)
      var position = 0
      guard let number = NumberScanner.scan(bytes.span, at: &position) else { return nil }
      return [
        UInt64(position), number.double.bitPattern, number.magnitude, number.isNegative ? 1 : 0,
        number.isInteger ? 1 : 0,
      ]
    }
    var texts = [
      "", "-", "-0", "00", "01", "-01", "0.", "1.", ".5", "1.5.2", "1..2", "12e3", "1E2",
    ]
    texts += [
      "7.25", "999999", "0.0001", "-0.001", "12.456", "-1.25", "1-2", "1\u{B0}", "5/", "5:",
    ]
    texts += (0..<20_000).map { _ in
      String((0..<Int.random(in: 1...6)).map { _ in "001234567899...e-".randomElement()! })
    }
    for text in texts {
      #expect(scan(text + ", 1.5, 2]") == scan(text + ","), "\(text)")
      #expect(scan(text + "e5,      ") == scan(text + "e5"), "\(text)")
    }
  }

  private func expectSame(_ text: String, _ location: SourceLocation = #_sourceLocation) {
    #expect(
      scan(text)?.double.bitPattern == strtod(text, nil).bitPattern, "\(text)",
      sourceLocation: location)
  }

  @Test(arguments: [
    "0", "-0", "-0.0", "1", "0.1", "1e23", "8.5e22", "9007199254740993", "9007199254740992",
    "1.7976931348623157e308", "1.7976931348623159e308", "4.9e-324", "2.4703282292062327e-324",
    "2.4703282292062328e-324", "2.2250738585072011e-308", "2.2250738585072014e-308", "1e-400",
    "1e400", "-1e400", "123456789012345678901234567890", "0.000000000000000000000000000001",
    "9007199254740993.00000000000000000000000000000000000000001",
    "9007199254740992.99999999999999999999999999999999999999999",
    "179769313486231580793728971405301199e273", "0.0e999999999999", "1e99999999999999999999",
    "1e-99999999999999999999", "7.2057594037927933e+16", "3.0", "1E5", "1.5E+3",
    "100000000000000016777215", "100000000000000016777216", "6631236846766476e-316",
    "3.2378839133029012895883524125015321748630094238e-319",
  ])
  func `a decimal becomes the nearest double`(text: String) {
    expectSame(text)
  }

  @Test func `the middle between two doubles, with a far digit above it, rounds up`() {
    let middle = "9007199254740993." + String(repeating: "0", count: 1000)
    #expect(scan(middle)?.double == 9_007_199_254_740_992)
    #expect(scan(middle + "1")?.double == 9_007_199_254_740_994)
  }

  @Test func `random doubles come back from 17 digits, from more and from fewer`() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<20_000 {
      let value = Double(bitPattern: random.next())
      guard value.isFinite else { continue }
      #expect(scan("\(value)")?.double == value)
      expectSame(String(format: "%.17e", value))
      expectSame(String(format: "%.\(Int.random(in: 0..<40))e", value))
    }
  }

  @Test func `random digits and exponents agree with strtod`() {
    for _ in 0..<20_000 {
      let digits = String((0..<Int.random(in: 1...25)).map { _ in "0123456789".randomElement()! })
      let whole = digits.drop { $0 == "0" }
      expectSame(
        "\(whole.isEmpty ? "0" : whole).\(Int.random(in: 0..<1_000_000_000))e\(Int.random(in: -345...310))"
      )
    }
  }

  @Test func `integers are exact over the whole range of 64 bits`() {
    #expect(scan("18446744073709551615")?.magnitude == .max)
    #expect(scan("18446744073709551615")?.isInteger == true)
    #expect(scan("18446744073709551616")?.isInteger == false)
    #expect(scan("-9223372036854775808")?.magnitude == 1 << 63)
    #expect(scan("-9223372036854775808")?.isNegative == true)
    #expect(scan("1.0")?.isInteger == false)
    #expect(scan("1e2")?.isInteger == false)
  }

  @Test(arguments: ["", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "01", "-01", "a", "NaN"])
  func `what is no JSON number is none`(text: String) {
    #expect(scan(text) == nil)
  }

  @Test func `the number ends where it ends`() {
    let bytes = Array("[12.5,".utf8)
    var position = 1
    #expect(NumberScanner.scan(bytes.span, at: &position)?.double == 12.5)
    #expect(position == 5)
  }

  @Test func `the table holds the leading bits of the powers of five`() {
    #expect(powersOfFive.count == 2 * 667)
    // 5^0, 5^1 and 5^27, which fit one word; 5^-1 is 4/5 rounded up.
    #expect(powersOfFive[684] == 1 << 63 && powersOfFive[685] == 0)
    #expect(powersOfFive[686] == 5 << 61)
    #expect(powersOfFive[682] == 0xCCCC_CCCC_CCCC_CCCC)
    #expect(powersOfFive[683] == 0xCCCC_CCCC_CCCC_CCCD)
  }
}
