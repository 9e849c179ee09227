import Documents
import Foundation
import Testing

@Suite struct JSONWriterTests {
  private func text(_ write: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    write(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  @Test(arguments: [
    (5.0, "5.0"), (-0.0, "-0.0"), (0.1, "0.1"), (1e-7, "1e-07"), (1e300, "1e+300"),
    (.nan, "NaN"), (.infinity, "Infinity"), (-.infinity, "-Infinity"), (-12_345_678, "-12345678.0"),
  ])
  func `a double is printed as Python prints it`(value: Double, expected: String) {
    #expect(text { $0.number(value) } == expected)
  }

  @Test func `a float32 read as a double is exactly that float32`() {
    // json.dumps(float(numpy.float32(0.1)))
    #expect(text { $0.number(Float(0.1)) } == "0.10000000149011612")
    #expect(text { $0.number(Float(3)) } == "3.0")
    var random = SystemRandomNumberGenerator()
    for _ in 0..<10_000 {
      let value = Float(bitPattern: random.next())
      guard value.isFinite else { continue }
      let printed = text { $0.number(value) }
      #expect(strtod(printed, nil) == Double(value), "\(printed)")
    }
  }

  @Test func `no decimal with fewer digits reads as the same double`() {
    var random = SystemRandomNumberGenerator()
    for _ in 0..<300 {
      let value = Float(bitPattern: random.next())
      guard value.isFinite, Double(value).magnitude < 0x1p53, value != value.rounded() else {
        continue
      }
      let printed = text { $0.number(value) }
      let mantissa = printed.split(separator: "e")[0].filter(\.isNumber)
      let digits = String(mantissa.drop { $0 == "0" }).count
      guard digits > 1 else { continue }
      let shorter = String(format: "%.\(digits - 2)e", Double(value))
      #expect(strtod(shorter, nil) != Double(value), "\(printed) against \(shorter)")
    }
  }

  @Test func `integers of any width are exact`() {
    #expect(text { $0.integer(UInt64.max) } == "18446744073709551615")
    #expect(text { $0.integer(Int64.min) } == "-9223372036854775808")
    #expect(text { $0.integer(UInt8(7)) } == "7")
    #expect(text { $0.integer(Int32(-10)) } == "-10")
  }

  @Test func `strings are escaped`() {
    #expect(text { $0.string("a\"b\\c\n\t\u{1}é") } == #""a\"b\\c\n\t\u0001é""#)
    #expect(text { $0.string(utf8: [0x61, 0xFF, 0x62] as [UInt8]) } == "\"a\u{FFFD}b\"")
  }

  @Test func `a document is printed on one line or indented`() throws {
    let value: DocumentValue = ["a": [1, 2.5, "x"], "b": [], "c": ["d": nil], "e": true]
    #expect(text { $0.document(value) } == #"{"a":[1,2.5,"x"],"b":[],"c":{"d":null},"e":true}"#)
    let pretty = text { $0.document(value, pretty: true) }
    #expect(
      pretty == """
        {
          "a": [
            1,
            2.5,
            "x"
          ],
          "b": [],
          "c": {
            "d": null
          },
          "e": true
        }
        """)
    #expect(try JSONReader.read(pretty, source: "text") == value)
  }
}
