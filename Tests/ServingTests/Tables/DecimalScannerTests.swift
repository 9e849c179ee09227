import Documents
import Testing

@testable import Serving

/// The quick reader of decimals beside the one that reads every number.
@Suite struct DecimalScannerTests {
  private static func quick(_ text: String) -> (Double, Int)? {
    let bytes = Array((text + "," + String(repeating: "7", count: 40)).utf8)
    var position = 0
    guard let value = DecimalScanner.scan(bytes.span, at: &position) else { return nil }
    return (value, position)
  }

  private static func expected(_ text: String) -> Double? {
    let bytes = Array(text.utf8)
    var position = 0
    return NumberScanner.scan(bytes.span, at: &position)?.double
  }

  @Test func `numbers of the common form are read and are the nearest doubles`() {
    var random = SystemRandomNumberGenerator()
    for round in 0..<60_000 {
      let text: String
      switch round % 4 {
      case 0: text = "\(Float.random(in: -20...20, using: &random))"
      case 1: text = "\(Double.random(in: -1...1, using: &random))"
      case 2: text = "\(Int.random(in: -3_000_000...3_000_000, using: &random))"
      default:
        let whole = String(Int.random(in: 0...9_999_999, using: &random))
        let digits = (0..<Int.random(in: 1...15, using: &random)).map { _ in
          String(Int.random(in: 0...9, using: &random))
        }
        text = whole + "." + digits.joined()
      }
      guard let (value, end) = Self.quick(text) else { continue }
      if text.contains("e") { continue }
      #expect(end == text.utf8.count, "\(text)")
      #expect(value.bitPattern == Self.expected(text)?.bitPattern, "\(text)")
    }
  }

  @Test(arguments: [
    "0.0", "-0.0", "-0", "0", "7", "9999999", "0.00000001", "0.123456789012345", "1.5", "-1.25",
    "90071.99254740991", "123456.7890123",
  ]) func `these are of the common form`(text: String) throws {
    let (value, end) = try #require(Self.quick(text))
    #expect(end == text.utf8.count)
    #expect(value.bitPattern == Self.expected(text)?.bitPattern)
  }

  @Test(arguments: ["", "-", ".5", "1.", "x", "\"1\"", "12345678", "0.1234567890123456", "nan"])
  func `what else there is goes to the other reader`(text: String) {
    #expect(Self.quick(text) == nil, "\(text)")
  }
}
