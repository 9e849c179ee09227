import Documents
import Executors
import Tensors
import Testing

@testable import Serving

/// Tables of numbers beside the reader of one number.
@Suite struct PlainCSVTests {
  /// Those of this CPU.
  private static let vectors = DecimalVectors.allCases.filter {
    $0.rawValue <= DecimalVectors.best.rawValue
  }

  private static func decode(
    _ text: String, _ type: ElementType, columns: [String], header: [String],
    _ vectors: DecimalVectors
  ) -> TableBlock {
    let map = header.map { name in
      columns.firstIndex(of: name).map { PayloadDecoder.Target(input: 0, column: $0) }
    }
    let bytes = Array(text.utf8)
    return PlainCSV(type, map: map, header: header, vectors: vectors)
      .decode(bytes.span, maxRows: 1000)
  }

  private static func values<Element: TensorElement>(
    _ tensor: Tensor, _: Element.Type
  ) -> [Element] {
    let values = tensor.values(as: Element.self)
    return values.indices.map { values[$0] }
  }

  private static func cell(_ random: inout SystemRandomNumberGenerator) -> String {
    func digits(_ range: ClosedRange<Int>) -> String {
      (0..<Int.random(in: range, using: &random)).map { _ in
        String(Int.random(in: 0...9, using: &random))
      }.joined()
    }
    let sign = Bool.random(using: &random) ? "-" : ""
    switch Int.random(in: 0...11, using: &random) {
    case 0: return ""
    case 1: return sign + "0"
    case 2: return sign + digits(1...20)
    case 3: return sign + digits(1...4) + "." + digits(1...24)
    case 4: return sign + digits(1...9) + "." + digits(1...9)
    case 5: return sign + digits(1...3) + "." + digits(1...3) + "e-" + digits(1...2)
    case 6: return "\(Double.random(in: -1...1, using: &random))"
    default: return "\(Float.random(in: -20...20, using: &random))"
    }
  }

  private static func expected(_ cell: String) -> Double {
    if cell.isEmpty { return .nan }
    guard case .number(let number) = CSVNumber(Array(cell.utf8)) else { return .infinity }
    return number.double
  }

  @Test(arguments: ["\n", "\r\n"], PlainCSVTests.vectors)
  func `cells of every form are the nearest numbers, wherever they stand`(
    _ end: String, vectors: DecimalVectors
  ) throws {
    var random = SystemRandomNumberGenerator()
    for number in 0..<300 {
      let width = Int.random(in: 1...(number % 2 == 0 ? 7 : 20), using: &random)
      // Four of the common form that follow each other are rare otherwise.
      let isCommon = number % 3 == 0
      let names = (0..<width).map { "c\($0)" }
      // In any order, with columns that the model has not.
      let header = (names + ["x", "y"].prefix(Int.random(in: 0...2, using: &random)))
      let order = number % 4 == 0 ? header : header.shuffled(using: &random)
      let rows = (0..<Int.random(in: 1...8, using: &random)).map { _ in
        order.map { _ in
          isCommon && Int.random(in: 0..<20, using: &random) > 0
            ? "\(Float.random(in: -20...20, using: &random))" : Self.cell(&random)
        }
      }
      // Of one column alone a blank line would be a row too; here it is none.
      if order.count == 1, rows.contains([""]) { continue }
      let text = rows.map { $0.joined(separator: ",") + end }.joined()
      let doubles = Self.decode(text, .float64, columns: names, header: order, vectors)
      let floats = Self.decode(text, .float32, columns: names, header: order, vectors)
      #expect(doubles.faults.isEmpty && floats.faults.isEmpty, "\(text)")
      let double = Self.values(try #require(doubles.runs[0].inputs[0]), Double.self)
      let float = Self.values(try #require(floats.runs[0].inputs[0]), Float.self)
      try #require(double.count == rows.count * width && float.count == double.count)
      for (row, cells) in rows.enumerated() {
        for (column, name) in names.enumerated() {
          let cell = cells[try #require(order.firstIndex(of: name))]
          let wanted = Self.expected(cell)
          let place = row * width + column
          let isSame =
            wanted.isNaN
            ? double[place].isNaN && float[place].isNaN
            : double[place].bitPattern == wanted.bitPattern
              && float[place].bitPattern == Float(wanted).bitPattern
          #expect(isSame, "\(cell) in \(text)")
        }
      }
    }
  }

  @Test(arguments: PlainCSVTests.vectors)
  func `rows of another width, and cells that are no numbers, are faults`(
    _ vectors: DecimalVectors
  ) throws {
    let text = "1.5,2.5\n1.5\n1.5,2.5,3.5\n1.5,x\n1.5 ,2.5\n1.5,2.5.5\n7,8\n" + "1,2\n3,4\n"
    let block = Self.decode(
      text, .float64, columns: ["a", "b"], header: ["a", "b"], vectors)
    #expect(block.rowCount == 9)
    #expect(block.faults.map(\.row) == [1, 2, 3, 5])
    let values = Self.values(try #require(block.runs[0].inputs[0]), Double.self)
    #expect(values == [1.5, 2.5, 1.5, 2.5, 7, 8, 1, 2, 3, 4])
  }

  /// Four cells are read at once: one byte of them is another.
  @Test(arguments: PlainCSVTests.vectors)
  func `a byte that makes a cell no number is a fault wherever it stands`(
    _ vectors: DecimalVectors
  ) throws {
    let names = ["a", "b", "c", "d"]
    let row = Array("-1.25,30.5,7,-0.0625\n".utf8)
    let behind = String(repeating: "1.5,2.5,3.5,4.5\n", count: 5)
    for place in row.indices.dropLast() {
      for byte in "x.-,\n\r0e\" /:;".utf8 {
        var changed = row
        changed[place] = byte
        let text = String(decoding: changed, as: UTF8.self) + behind
        func told(_ vectors: DecimalVectors) throws -> ([RowFault], [UInt64]) {
          let block = Self.decode(text, .float64, columns: names, header: names, vectors)
          let values = Self.values(try #require(block.runs[0].inputs[0]), Double.self)
          return (block.faults, values.map(\.bitPattern))
        }
        #expect(try told(vectors) == told(.none), "\(text.debugDescription)")
      }
    }
  }
}
