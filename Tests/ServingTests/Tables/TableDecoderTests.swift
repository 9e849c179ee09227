import Executors
import Tensors
import Testing

@testable import Serving

@Suite struct TableDecoderTests {
  /// A model that does not say how many columns it takes.
  private static func decode(_ text: String) throws -> TableBlock {
    let signature = ModelSignature(
      inputs: [ModelInput(name: "x", elementType: .float32, shape: [nil, nil])],
      outputs: [ModelOutput(name: "y", kind: .tensor(.float32, shape: [nil]))])
    let bytes = Array(text.utf8)
    return try TableDecoder(jsonLines: signature).decode(bytes.span, maxRows: 10)
  }

  @Test func `a line that fails says nothing of the width of the others`() throws {
    for broken in ["[1]x", "[1,2,3] 4", "[1,2,3", "[\"a\"]"] {
      let block = try Self.decode(broken + "\n[1,2]\n[3,4]\n")
      #expect(block.rowCount == 3)
      #expect(block.faults.map(\.row) == [0], "\(broken): \(block.faults)")
      let table = try #require(block.inputs.first ?? nil)
      #expect(table.shape == Shape(2, 2), "\(broken)")
    }
  }

  @Test func `the first row that is read says how wide the others are`() throws {
    let block = try Self.decode("[1,2]\n[1]x\n[1,2,3]\n[3,4]\n")
    #expect(block.faults.map(\.row) == [1, 2])
    #expect(block.faults.last?.reason.contains("has 3 values; expected 2") == true)
  }
}
