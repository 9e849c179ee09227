import Documents
import Executors
import HTTP
import Testing

@testable import Gateway
@testable import Serving

/// One batch through every protocol: the numbers are the same, bit for bit.
struct ProtocolEqualityTests {
  private static let headers: [(name: String, value: String)] = [
    ("Authorization", "Bearer \(DataPlaneFixture.key)")
  ]

  /// A request and where its predictions are in the answer.
  private struct Form {
    var name: String
    var path: String
    var body: [UInt8]
    var headers: [(name: String, value: String)] = []
    /// Members to go through in the answer; empty: it is the bare list.
    var members: [String] = []
    var isBinary = false
  }

  @Test(arguments: [0, 1, 2, 17, 300])
  func `every protocol gives the same bits`(rows: Int) throws {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 100])
    let endpoint = try #require(fixture.service.table.endpoints["breast-cancer"])
    let input = try endpoint.describedDeployment(pinned: nil).model.signature.inputs[0]
    let columns = try #require(input.columns)
    var generator = SystemRandomNumberGenerator()
    let table = (0..<rows).map { _ in
      (0..<columns.count).map { _ in Self.value(using: &generator) }
    }
    let client = fixture.client()
    var expected: [UInt32]?
    // A nested list without rows does not say how wide they would be.
    for form in Self.forms(table, columns) where rows > 0 || form.name != "TFS named" {
      let response = try client.send(
        method: "POST", path: form.path, headers: Self.headers + form.headers, body: form.body)
      #expect(response.status == 200, "\(form.name): \(response.text)")
      guard response.status == 200 else { continue }
      let got = try Self.predictions(in: response, form)
      #expect(got.count == rows, "\(form.name)")
      if let expected {
        #expect(got == expected, "\(form.name) with \(rows) rows")
      } else {
        expected = got
      }
    }
  }

  /// Any size, either sign, zeros, subnormal numbers, and what JSON has no word for.
  private static func value(using generator: inout some RandomNumberGenerator) -> Float {
    switch Int.random(in: 0..<12, using: &generator) {
    case 0: .nan
    case 1: .infinity
    case 2: -.infinity
    case 3: -0.0
    case 4: Float(bitPattern: UInt32.random(in: 1..<100, using: &generator))
    case 5:
      Float(bitPattern: UInt32.random(in: 0..<0x7F80_0000, using: &generator))
    default: Float.random(in: -50...2000, using: &generator)
    }
  }

  private static func forms(_ table: [[Float]], _ columns: [String]) -> [Form] {
    let base = "/endpoints/breast-cancer"
    let rows = json(table)
    let names = text { writer in
      writer.document(.array(columns.map { .string($0) }))
    }
    let records = "[" + table.map { record($0, columns) }.joined(separator: ",") + "]"
    let reversed = text { $0.document(.array(columns.reversed().map { .string($0) })) }
    let backwards = json(table.map { $0.reversed() })
    let byColumn =
      "{"
      + columns.indices.map { column in
        text { $0.string(columns[column]) } + ":" + list(table.map { $0[column] })
      }.joined(separator: ",") + "}"
    let split = "{\"columns\":\(names),\"data\":\(rows)}"
    let flat = list(table.flatMap { $0 })
    let head = "\"name\":\"X\",\"datatype\":\"FP32\",\"shape\":[\(table.count),\(columns.count)]"
    let bytes = table.flatMap { $0 }.flatMap { number in
      withUnsafeBytes(of: number.bitPattern.littleEndian) { Array($0) }
    }
    func form(
      _ name: String, _ path: String, _ body: String, _ members: [String] = []
    ) -> Form {
      Form(name: name, path: path, body: Array(body.utf8), members: members)
    }
    var forms = [
      form("Azure data", base + "/score", "{\"data\":\(rows)}"),
      form("Azure input_data", base + "/score", "{\"input_data\":\(rows)}"),
      form("Azure split", base + "/score", "{\"input_data\":\(split)}"),
      form("MLflow inputs", base + "/invocations", "{\"inputs\":\(rows)}", ["predictions"]),
      form("MLflow columns", "/invocations", "{\"inputs\":\(byColumn)}", ["predictions"]),
      form(
        "MLflow instances", base + "/invocations", "{\"instances\":\(rows)}", ["predictions"]),
      form(
        "MLflow records", base + "/invocations", "{\"dataframe_records\":\(records)}",
        ["predictions"]),
      form(
        "MLflow split", base + "/invocations",
        "{\"dataframe_split\":{\"columns\":\(reversed),\"data\":\(backwards)}}", ["predictions"]),
      form(
        "TFS rows", "/v1/models/breast-cancer:predict", "{\"instances\":\(rows)}", ["predictions"]
      ),
      form("TFS columns", "/v1/models/breast-cancer:predict", "{\"inputs\":\(rows)}", ["outputs"]),
      form(
        "TFS named", "/v1/models/breast-cancer:predict", "{\"inputs\":{\"X\":\(rows)}}",
        ["outputs"]),
      form(
        "OIP JSON", "/v2/models/breast-cancer/infer",
        "{\"inputs\":[{\(head),\"data\":\(flat)}]}", ["outputs", "0", "data"]),
      form(
        "OIP nested JSON", base + "/v2/models/breast-cancer/versions/1/infer",
        "{\"inputs\":[{\"data\":\(rows),\(head)}]}", ["outputs", "0", "data"]),
    ]
    if !table.isEmpty {
      let lines = table.map { row in row.map(cell).joined(separator: ",") }
      var csv = form(
        "MLflow CSV", base + "/invocations",
        (["\"" + columns.joined(separator: "\",\"") + "\""] + lines).joined(separator: "\r\n"),
        ["predictions"])
      csv.headers = [("Content-Type", "text/csv")]
      forms.append(csv)
    }
    let header =
      "{\"inputs\":[{\(head),\"parameters\":{\"binary_data_size\":\(bytes.count)}}],"
      + "\"parameters\":{\"binary_data_output\":true}}"
    forms.append(
      Form(
        name: "OIP binary", path: "/v2/models/breast-cancer/infer",
        body: Array(header.utf8) + bytes,
        headers: [("Inference-Header-Content-Length", "\(header.utf8.count)")], isBinary: true))
    if table.count == 1 {
      forms.append(
        Form(
          name: "OIP raw", path: "/v2/models/breast-cancer/infer", body: bytes,
          headers: [("Inference-Header-Content-Length", "0")], isBinary: true))
    }
    return forms
  }

  private static func text(_ write: (inout JSONWriter) -> Void) -> String {
    var writer = JSONWriter()
    write(&writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  private static func list(_ row: [Float]) -> String {
    text { writer in writer.list(row.span) }
  }

  private static func json(_ table: [[Float]]) -> String {
    "[" + table.map(list).joined(separator: ",") + "]"
  }

  private static func record(_ row: [Float], _ columns: [String]) -> String {
    "{"
      + zip(columns, row).map { name, number in
        text { writer in
          writer.string(name)
          writer.raw(":")
          writer.number(number)
        }
      }.joined(separator: ",") + "}"
  }

  /// As pandas writes a number into a CSV.
  private static func cell(_ number: Float) -> String {
    if number.isNaN { return "" }
    if number.isInfinite { return number > 0 ? "inf" : "-inf" }
    return text { $0.number(number) }
  }

  private static func predictions(
    in response: HTTPClient.Response, _ form: Form
  ) throws -> [UInt32] {
    if form.isBinary {
      let length = Int(response.header("Inference-Header-Content-Length") ?? "") ?? 0
      let bytes = Array(response.body[length...])
      return stride(from: 0, to: bytes.count, by: 4).map { start in
        (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << (8 * UInt32($1)) }
      }
    }
    var value = try JSONReader.read(response.body.span, source: form.name)
    for member in form.members {
      switch value {
      case .object(let members): value = members[member] ?? .null
      case .array(let elements): value = elements[Int(member) ?? 0]
      default: Issue.record("\(form.name): no \(member)")
      }
    }
    guard case .array(let elements) = value else {
      Issue.record("\(form.name): no list: \(response.text.prefix(200))")
      return []
    }
    return elements.map { element in
      switch element {
      case .double(let number): Float(number).bitPattern
      case .integer(let number): Float(number).bitPattern
      default: 0xFFFF_FFFF
      }
    }
  }
}
