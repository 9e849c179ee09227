import Tensors
import Testing

@testable import Documents
@testable import Serving

/// Lists of plain numbers, read by the CPU's vectors and without them: the same numbers, as far.
struct PlainNumbersTests {
  /// What stands in lists, and what does not.
  private static func number(_ generator: inout SystemRandomNumberGenerator) -> String {
    let value = Double.random(in: -2...2, using: &generator)
    switch Int.random(in: 0..<40, using: &generator) {
    case 0..<8: return "\(value)"
    case 8..<14: return "\(Float(value))"
    case 14..<18: return "\((value * 100).rounded() / 100)"
    case 18..<22: return "\(Int(value * 1000))"
    case 22..<24: return "\(value * 1e-7)"
    case 24..<26: return "\(UInt64.random(in: .min ... .max, using: &generator))"
    case 26..<28: return "\(value * 1e12)"
    case 28: return "0.00012345678901234567"
    case 29: return "123456789012.12345678901234567"
    case 30: return "-0"
    case 31: return "-0.0"
    case 32: return "9007199254740993"
    case 33: return "9007199254740992.5"
    case 34: return "1e-05"
    default:
      guard Int.random(in: 0..<20, using: &generator) == 0 else { return "0.5" }
      return ["01", "-01.5", "1.", ".5", "-", "null", "NaN", "1e5", "\"1\"", "", "--1", "1.2.3"]
        .randomElement(using: &generator) ?? ""
    }
  }

  private static func list(_ width: Int, _ generator: inout SystemRandomNumberGenerator) -> String {
    let separator = [",", ", ", ",  ", " , ", ",\n"].randomElement(using: &generator) ?? ","
    let isUsual = Bool.random(using: &generator)
    return "["
      + (0..<width).map { _ in
        isUsual ? "\(Float.random(in: -1...1, using: &generator))" : number(&generator)
      }.joined(separator: separator) + "]"
  }

  private struct Taken: Equatable {
    var count = 0
    var position = 0
    var bits: [UInt64] = []
  }

  private static func rows(
    _ text: [UInt8], width: Int, _ type: ElementType, _ vectors: DecimalVectors
  ) -> Taken {
    var builder = InputBuilder(type, capacity: width, bodyByteCount: text.count)
    builder.vectors = vectors
    var scanner = PayloadScanner(text.span)
    scanner.position = 1
    let rows = builder.takeRows(&scanner, width: width, at: 0)
    return Taken(
      count: rows, position: scanner.position,
      bits: bits(builder.tensor(Shape(rows * width))))
  }

  private static func bits(_ tensor: Tensor?) -> [UInt64] {
    guard let tensor else { return [] }
    if tensor.elementType == .float64 {
      let values = tensor.values(as: Double.self)
      return values.indices.map { values[$0].bitPattern }
    }
    let values = tensor.values(as: Float.self)
    return values.indices.map { UInt64(values[$0].bitPattern) }
  }

  @Test(arguments: [ElementType.float32, .float64])
  func rowsAreTheSame(type: ElementType) {
    var generator = SystemRandomNumberGenerator()
    var most = 0
    for _ in 0..<3000 {
      let width = Int.random(in: 1...30, using: &generator)
      let lists = (0..<Int.random(in: 1...6, using: &generator)).map { _ in
        Self.list(width, &generator)
      }
      let text = Array(("[" + lists.joined(separator: ",") + "]").utf8)
      let expected = Self.rows(text, width: width, type, .none)
      most = max(most, expected.count)
      for vectors in DecimalVectors.allCases where vectors.rawValue <= DecimalVectors.best.rawValue
      {
        let taken = Self.rows(text, width: width, type, vectors)
        #expect(taken == expected, "\(vectors): \(String(decoding: text, as: UTF8.self))")
      }
    }
    #expect(most > 3)
  }

  /// A list of any length, as the Open Inference Protocol sends it: what is taken at once is what
  /// one number after the other gives, and what is left is where the next one begins.
  @Test(arguments: [ElementType.float32, .float64])
  func listsAreTheSame(type: ElementType) {
    var generator = SystemRandomNumberGenerator()
    var most = 0
    for _ in 0..<3000 {
      let width = Int.random(in: 1...300, using: &generator)
      let text = Array((Self.list(width, &generator) + String(repeating: " ", count: 70)).utf8)
      // Each number's place and bits, by the scanner for all.
      var places: [Int] = []
      var expected: [Double] = []
      var scanner = PayloadScanner(text.span)
      scanner.position = 1
      while scanner.peek() != nil {
        places.append(scanner.position)
        guard let number = NumberScanner.scan(scanner.text, at: &scanner.position) else { break }
        expected.append(number.double)
        guard scanner.peek() == UInt8(ascii: ",") else { break }
        scanner.position += 1
      }
      for vectors in [DecimalVectors.sse41, .avx512]
      where vectors.rawValue <= DecimalVectors.best.rawValue {
        let capacity = [1, 8, width, width + 1, 2 * width].randomElement(using: &generator) ?? 8
        var builder = InputBuilder(type, capacity: capacity, bodyByteCount: text.count)
        builder.vectors = vectors
        scanner.position = 1
        let count = builder.takeNumbers(&scanner, at: 0)
        _ = scanner.peek()
        most = max(most, count)
        #expect(count < width && count < places.count, "the list's last number is not taken")
        guard count < places.count else { continue }
        #expect(scanner.position == places[count])
        let wanted = expected.prefix(count).map {
          type == .float64 ? $0.bitPattern : UInt64(Float($0).bitPattern)
        }
        #expect(
          Self.bits(builder.tensor(Shape(count))) == wanted,
          "\(vectors): \(String(decoding: text, as: UTF8.self))")
      }
    }
    #expect(most > 40)
  }
}
