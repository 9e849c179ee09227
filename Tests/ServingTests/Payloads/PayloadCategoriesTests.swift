import Executors
import Glibc
import Serving
import Tensors
import TestFolders
import Testing

/// Categories by name, from the body to the library's own answer.
@Suite struct PayloadCategoriesTests {
  private static func fixture(_ name: String) throws -> String {
    let tests = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
      .dropLast(3).joined(separator: "/")
    let path = "\(tests)/ExecutorsTests/Fixtures/\(name)"
    let file = try #require(fopen(path, "rb"), "\(path) cannot be opened")
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes.append(contentsOf: chunk[0..<count])
    }
  }

  private static func load(_ name: String) throws -> LoadedModel {
    let tests = "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false)
      .dropLast(3).joined(separator: "/")
    return try ModelLoader.load(path: "\(tests)/ExecutorsTests/Fixtures/\(name)")
  }

  private static func numbers(_ value: ModelValue?) -> [Double] {
    guard case .tensor(let tensor) = value else { return [] }
    if tensor.elementType == .float32 {
      let values = tensor.values(as: Float.self)
      return values.indices.map { Double(values[$0]) }
    }
    let values = tensor.values(as: Double.self)
    return values.indices.map { values[$0] }
  }

  private static func answer(_ body: String, _ model: LoadedModel) throws -> [Double] {
    let request = try PayloadDecoder(model.signature).decode(Array(body.utf8).span)
    let values = try model.executor.predict(
      request.inputs, outputs: [0], scratch: model.executor.makeScratch())
    return numbers(values.first)
  }

  private static func refusal(_ body: String, _ model: LoadedModel) -> String {
    do {
      return "\(try answer(body, model))"
    } catch ScoringError.badInput(let sentence) {
      return sentence
    } catch { return "\(error)" }
  }

  /// The frame's rows as records, and what the library says to the frame.
  @Test(arguments: ["xgb_frame.json", "xgb_frame_ubj.ubj", "lgb_frame.txt"])
  func `records with the categories' names are answered as the frame is`(file: String) throws {
    let text = try Self.fixture("\(file.split(separator: ".")[0]).records.json")
    let parts = text.split(separator: ", \"predict\": [")
    let records = try #require(parts.first?.dropFirst("{\"records\": ".count))
    let expected = try #require(parts.last?.dropLast(2)).split(separator: ", ").compactMap {
      Double($0)
    }
    let model = try Self.load(file)
    let answer = try Self.answer("{\"dataframe_records\": \(records)}", model)
    #expect(answer.map(\.bitPattern) == expected.map(\.bitPattern))
    #expect(expected.count == 40)
  }

  @Test func `every form of a body takes names`() throws {
    let model = try Self.load("xgb_frame.json")
    let columns = "\"columns\": [\"weight\", \"colour\", \"price\", \"height\"]"
    let wanted = try Self.answer("{\"data\": [[0.5, 3, 1, -1], [0.5, 2, 3, -1]]}", model)
    #expect(wanted.count == 2)
    for body in [
      // Without names of columns a number is a code, and text a name.
      "{\"data\": [[0.5, \"red\", 1, -1], [0.5, \"green\", 3, -1]]}",
      "{\"data\": [[0.5, \"red\", \"10\", -1], [0.5, 2, \"35\", -1]]}",
      "{\"instances\": [[0.5, \"red\", 1, -1], [0.5, \"green\", \"35\", -1]]}",
      // With names of columns a number is a name.
      "{\"dataframe_split\": {\(columns), \"data\": [[0.5, \"red\", 10, -1], "
        + "[0.5, \"green\", 35.0, -1]]}}",
      "{\"input_data\": [{\"height\": -1, \"price\": 10, \"colour\": \"red\", \"weight\": 0.5}, "
        + "{\"height\": -1, \"price\": \"35\", \"colour\": \"green\", \"weight\": 0.5}]}",
      "{\"inputs\": {\"weight\": [0.5, 0.5], \"colour\": [\"red\", \"gr\\u0065en\"], "
        + "\"price\": [10, 35], \"height\": [-1, -1]}}",
    ] {
      #expect(try Self.answer(body, model) == wanted, "\(body)")
    }
  }

  @Test func `beside names of columns a number is no code of a text`() throws {
    let xgboost = try Self.load("xgb_frame.json")
    #expect(
      Self.refusal(
        "{\"data\": [{\"weight\": 1, \"colour\": 2, \"price\": 10, \"height\": 1}]}", xgboost)
        == "$.data has 2 in row 0; expected a category of column 'colour': 'a \"grey\" one', 'blue', "
        + "'green', 'red' (line 1, column 10)")
    // As the text "2" is: a category that the model does not know.
    let lightGBM = try Self.load("lgb_frame.txt")
    let columns = lightGBM.signature.inputs[0].columns ?? []
    let names = columns.map { "\"\($0)\"" }.joined(separator: ", ")
    func frame(_ row: String) -> String {
      "{\"dataframe_split\": {\"columns\": [\(names)], \"data\": [[\(row)]]}}"
    }
    let missing = try Self.answer(frame("1, null, null, 1, \"M\", null"), lightGBM)
    #expect(try Self.answer(frame("1, 2, null, 1, \"M\", null"), lightGBM) == missing)
    #expect(try Self.answer(frame("1, \"2\", null, 1, \"M\", null"), lightGBM) == missing)
    #expect(try Self.answer(frame("1, \"red\", null, 1, \"M\", null"), lightGBM).count == 1)
  }

  @Test func `an unknown category is an error for XGBoost and missing for LightGBM`() throws {
    let xgboost = try Self.load("xgb_frame.json")
    #expect(
      Self.refusal("{\"data\": [[0.5, \"mauve\", 1, -1]]}", xgboost)
        == "$.data[0][1] is the string 'mauve'; expected a category of column 'colour': "
        + "'a \"grey\" one', 'blue', 'green', 'red' (line 1, column 17)")
    #expect(
      Self.refusal(
        "{\"data\": [{\"weight\": 1, \"colour\": \"red\", \"price\": 11, \"height\": 1}]}", xgboost)
        == "$.data has 11 in row 0; expected a category of column 'price': '7', '10', '20', '35' "
        + "(line 1, column 10)")
    let lightGBM = try Self.load("lgb_frame.txt")
    #expect(
      try Self.answer("{\"data\": [[1, \"mauve\", \"99\", 1, \"M\", \"there\"]]}", lightGBM)
        == Self.answer("{\"data\": [[1, null, null, 1, 1, null]]}", lightGBM))
  }

  @Test func `text in a column of numbers is an error that names it`() throws {
    for (file, row) in [
      ("xgb_frame.json", "[\"heavy\", 1, 1, 1]"), ("lgb_frame.txt", "[\"1\", 1, 1, 1, 1, 1]"),
    ] {
      let sentence = Self.refusal("{\"data\": [\(row)]}", try Self.load(file))
      #expect(sentence.hasPrefix("$.data[0][0] is the string"))
      #expect(sentence.contains("column 'weight' is numeric"))
    }
  }

  @Test func `where a file does not tell whose a list is, names are refused and codes are taken`()
    throws
  {
    let model = try Self.load("lgb_open_categories.txt")
    for row in ["{\"grade\": 30, \"rooms\": 0}", "{\"grade\": 1, \"rooms\": 20}"] {
      let sentence = Self.refusal("{\"data\": [\(row)]}", model)
      #expect(
        sentence.contains("the file does not say which of its lists of categories this column has"),
        "\(sentence)")
    }
    #expect(try Self.answer("{\"data\": [[2, 0]]}", model).count == 1)
  }

  @Test func `names that XGBoost may have cut wrongly are refused, codes are taken`() throws {
    // The last byte of "red": XGBoost 3.2 writes one byte of such a letter.
    let text = try Self.fixture("xgb_frame.json")
      .replacing(",114,101,100]", with: ",114,101,-61]")
    let folder = TemporaryFolder(for: "models")
    try folder.write(text, to: "model.json")
    let model = try ModelLoader.load(path: folder.path + "/model.json")
    let sentence = Self.refusal("{\"data\": [[0.5, \"blue\", 7, 1]]}", model)
    #expect(
      sentence.contains("expected a code in a body that does not name its columns")
        && sentence.contains("names cut wrongly"), "\(sentence)")
    #expect(
      try Self.answer("{\"data\": [[0.5, 1, 0, 1]]}", model)
        == Self.answer("{\"data\": [[0.5, \"blue\", 0, 1]]}", Self.load("xgb_frame.json")))
  }

  @Test func `what is shown of a model tells its categories`() throws {
    let input = try Self.load("lgb_frame.txt").signature.inputs[0]
    #expect(input.categories.keys.sorted() == [1, 2, 4, 5])
    #expect(input.categories[2]?.names == [.number(7), .number(10), .number(20), .number(35)])
    #expect(input.categories[4]?.names == [.text("S"), .text("M"), .text("L")])
  }

  /// A column of ZIP codes, one of truth values written out, and one of numbers.
  private static let numerals = ModelSignature(
    inputs: [
      ModelInput(
        name: "X", elementType: .float64, shape: [nil, 3], columns: ["zip", "flag", "size"],
        categories: [
          0: ColumnCategories(
            ["00501", "02139", "1"].map { .text($0) }, unknownIsMissing: false),
          1: ColumnCategories([.text("true"), .text("False")], unknownIsMissing: true),
          2: ColumnCategories([.number(1), .number(0), .number(20)], unknownIsMissing: false),
        ])
    ], outputs: [ModelOutput(name: "y", kind: .tensor(.float32, shape: [nil]))])

  private static func values(_ tensor: Tensor?) -> [Double] {
    guard let values = tensor?.values(as: Double.self) else { return [] }
    return values.indices.map { values[$0] }
  }

  @Test func `names that look like numbers are names in CSV too`() throws {
    let text = "00501,true,20\n\"1\",False,1\n2139,true,1\n1,maybe,0\n02139,true,true\n"
    let block = try TableDecoder(csv: Self.numerals, header: ["zip", "flag", "size"])
      .decode(Array(text.utf8).span, maxRows: 9)
    #expect(block.faults.map(\.row) == [2])
    let values = Self.values(block.runs[0].inputs[0])
    #expect(values.map { $0.isNaN ? -1 : $0 } == [0, 0, 2, 2, 1, 0, 2, -1, 1, 1, 0, 0])
  }

  @Test func `a truth value is a name in every body`() throws {
    func codes(_ body: String) throws -> [Double] {
      let request = try PayloadDecoder(Self.numerals).decode(Array(body.utf8).span)
      return Self.values(request.inputs[0]).map { $0.isNaN ? -1 : $0 }
    }
    #expect(
      try codes("{\"data\": [[0, 0, true], [0, 0, false], [0, 0, 2]]}") == [
        0, 0, 0, 0, 0, 1, 0, 0, 2,
      ])
    let columns = "\"columns\": [\"zip\", \"flag\", \"size\"]"
    let rows = "[[\"1\", \"true\", true], [\"1\", true, 20]]"
    #expect(
      try codes("{\"dataframe_split\": {\(columns), \"data\": \(rows)}}") == [2, 0, 0, 2, -1, 2])
    #expect(throws: ScoringError.self) { try codes("{\"data\": [[true, 0, 0]]}") }
  }
}
