import Foundation
import Serving
import Testing

@testable import BatchScoring

/// `RELIABILITY.md` B9: texts whose cells and numbers are those of Python's `csv` and of pandas
/// (`Fixtures/csv_edges.py`), to the bit; a row that is none fails alone.
@Suite struct CSVEdgeTests {
  private struct Row: Decodable {
    var cells: [String]
    var bits: Int64
  }

  private struct Case: Decodable {
    var name: String
    var text: Data
    var model: String
    var columns: [String]
    var rows: [Row]
    var failed: [Int]
  }

  private static func cases() throws -> [Case] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("Fixtures/csv-edges.json")
    return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
  }

  @Test func `cells and numbers are those of other readers, and bad rows fail alone`() throws {
    let cases = try Self.cases()
    #expect(cases.count >= 120)
    for one in cases {
      for pieceBytes in [1, 7, 1 << 16] where one.text.count < 1000 || pieceBytes > 1 {
        try check(one, pieceBytes: pieceBytes)
      }
    }
  }

  private func check(_ one: Case, pieceBytes: Int) throws {
    var columns = PredictionColumns()
    columns.format = .jsonl
    columns.carried = one.columns
    columns.hasRow = true
    let scoring = StreamScoring(
      LoadedModel(executor: EchoExecutor(one.model, asBits: true), format: "test"), outputs: [0],
      format: .csv,
      columns: columns, threads: 1, maxFaults: nil)
    var failed: [Int] = []
    var output = Data()
    do {
      _ = try scoring.run(
        PieceSource(bytes: Array(one.text), pieceBytes: pieceBytes), name: "t",
        write: { output.append(contentsOf: $0) }, tell: { failed.append($0.row) })
    } catch {
      Issue.record("\(one.name): \(error)")
      return
    }
    #expect(failed == one.failed, "\(one.name)")
    var found: [Row] = []
    for line in output.split(separator: 0x0A) {
      let members = try #require(
        try JSONSerialization.jsonObject(with: line) as? [String: Any], "\(one.name)")
      let cells = one.columns.map { members[$0] as? String ?? "no text" }
      found.append(
        Row(cells: cells, bits: try #require(members["prediction"] as? Int64, "\(one.name)")))
    }
    #expect(found.map(\.cells) == one.rows.map(\.cells), "\(one.name)")
    #expect(
      found.map(\.bits) == one.rows.map(\.bits),
      "\(one.name): \(found.map { Double(bitPattern: UInt64(bitPattern: $0.bits)) })")
  }
}
