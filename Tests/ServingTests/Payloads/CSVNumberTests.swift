import Documents
import Testing

@testable import Serving

/// What pandas 2 reads as a number in a column of numbers, and what makes the column text.
@Suite struct CSVNumberTests {
  private func double(_ text: String) -> Double? {
    switch CSVNumber(Array(text.utf8)) {
    case .number(let number): number.double
    case .infinity(let isNegative): isNegative ? -.infinity : .infinity
    case nil: nil
    }
  }

  @Test(arguments: [
    ("1", 1.0), ("+1", 1), ("-1.5", -1.5), (".5", 0.5), ("-.5", -0.5), ("1.", 1), ("1.e3", 1000),
    ("007", 7), ("-007.50", -7.5), ("0", 0), ("000", 0), ("  2 ", 2), ("1e-3", 0.001),
    ("1E+3", 1000), ("inf", .infinity), ("-Inf", -.infinity), ("+INFINITY", .infinity),
    ("0.1", 0.1), ("123456789012345678901234567890", 1.2345678901234568e29),
  ])
  func `a number is read`(text: String, expected: Double) {
    #expect(double(text) == expected)
  }

  @Test(arguments: [
    "", " ", ".", "-", "+", "-.", "0x10", "0x1p3", "1p3", "1e", "1e+", "1_000", "1,5", "nan(0x1)",
    "nan", "--1", "+-1", "1 2", "1f", "infin", "infinityy", "INF1", "\u{FF11}", "1.2.3", "e5",
  ])
  func `what strtod or nobody reads is no number`(text: String) {
    #expect(double(text) == nil)
  }

  @Test func `a plus keeps an integer whole`() {
    guard case .number(let number)? = CSVNumber(Array("+9223372036854775807".utf8)) else {
      Issue.record("no number")
      return
    }
    #expect(number.isInteger && number.magnitude == 9_223_372_036_854_775_807)
  }
}
