import Glibc
import Testing

@testable import Executors

@Suite struct DecimalScannerTests {
  private func scan(_ text: String) -> (value: Double?, end: Int) {
    let bytes = Array(text.utf8)
    var position = 0
    return (DecimalScanner.scan(bytes.span.bytes, &position), position)
  }

  @Test(arguments: [
    "0", "-0", "1", "-1.5", "5E-1", "1.0436649E-8", "1e-45", "4.9e-324", "2.2250738585072011e-308",
    "1.7976931348623157e+308", "1e400", "9007199254740993", "0.1", "123456789012345678901234567890",
    "1e22", "1e23", "8.5e-23", "1.0000000180025095e-35", "3.4028235E38", "17976931348623157e292",
    "0.000000000000000000000000000000000000001", "9007199254740991e22",
  ])
  func `a decimal is the double that strtod gives`(text: String) {
    let scanned = scan(text)
    #expect(scanned.value?.bitPattern == strtod(text, nil).bitPattern)
    #expect(scanned.end == text.utf8.count)
  }

  @Test func `random doubles come back`() {
    var state: UInt64 = 88_172_645_463_325_252
    for _ in 0..<20_000 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      let value = Double(bitPattern: state)
      if value.isNaN { continue }
      #expect(scan("\(value)").value?.bitPattern == value.bitPattern)
    }
  }

  @Test func `a denormal float32 is kept`() {
    #expect(Float(scan("1E-45").value ?? 0).bitPattern == 1)
  }

  @Test(arguments: ["", "-", ".", "e5", "+", "x", "-e1"])
  func `what is no number is nil and moves nothing`(text: String) {
    #expect(scan(text).value == nil)
    #expect(scan(text).end == 0)
  }

  @Test func `words of infinity and NaN are numbers`() {
    #expect(scan("Infinity").value == .infinity)
    #expect(scan("-inf").value == -.infinity)
    #expect(scan("NaN").value?.isNaN == true)
  }

  @Test func `the number ends where its digits end`() {
    #expect(scan("12,3").end == 2)
    #expect(scan("1e,").value == 1)
    #expect(scan("1e,").end == 1)
  }
}
