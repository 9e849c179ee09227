import Documents
import Executors
import Glibc
import Serving
import Tensors
import Testing

@Suite struct PayloadDecoderTests {
  static let names = ["a", "b", "c", "d"]
  static let decoder = PayloadDecoder(signature())

  static func signature(
    _ type: ElementType = .float32, columns: [String]? = names, width: Int? = 4
  ) -> ModelSignature {
    ModelSignature(
      inputs: [ModelInput(name: "X", elementType: type, shape: [nil, width], columns: columns)],
      outputs: [ModelOutput(name: "predict", kind: .tensor(.float32, shape: [nil]))])
  }

  static func floats(_ tensor: Tensor?) -> [Float] {
    guard let tensor else { return [] }
    let values = tensor.values(as: Float.self)
    return values.indices.map { values[$0] }
  }

  static func decode(
    _ text: String, _ decoder: PayloadDecoder = decoder
  ) throws(ScoringError) -> DecodedRequest {
    try decoder.decode(Array(text.utf8).span)
  }

  static func sentence(_ text: String, _ decoder: PayloadDecoder = decoder) -> String {
    do {
      _ = try decode(text, decoder)
      return "taken"
    } catch {
      guard case .badInput(let sentence) = error else { return "\(error)" }
      return sentence
    }
  }

  static func refuses(_ bytes: [UInt8]) -> Bool {
    do {
      _ = try decoder.decode(bytes.span)
      return false
    } catch {
      return true
    }
  }

  /// The rows (1, 2, 3, 4) and (5, 6, 7, 8) in every form a client may send.
  static let forms = [
    #"{"input_data":[[1,2,3,4],[5,6,7,8]]}"#,
    #"{"data":[[1,2,3,4],[5,6,7,8]]}"#,
    #" { "data" : [ [1 ,2, 3,4] , [5,6,7,8 ] ] } "#,
    #"{"input_data":{"columns":["a","b","c","d"],"index":[0,1],"data":[[1,2,3,4],[5,6,7,8]]}}"#,
    #"{"input_data":{"data":[[1,2,3,4],[5,6,7,8]],"columns":["a","b","c","d"]}}"#,
    #"{"input_data":{"columns":["d","c","b","a"],"data":[[4,3,2,1],[8,7,6,5]]}}"#,
    #"{"input_data":{"columns":["x","b","a","c","d"],"data":[["-",2,1,3,4],[{},6,5,7,8]]}}"#,
    #"{"input_data":{"a":[1,5],"b":[2,6],"c":[3,7],"d":[4,8]}}"#,
    #"{"input_data":{"d":[4,8],"e":["x"],"b":[2,6],"c":[3,7],"a":[1,5]}}"#,
    #"{"input_data":{"X":[[1,2,3,4],[5,6,7,8]]}}"#,
    #"{"dataframe_split":{"columns":["b","a","c","d"],"data":[[2,1,3,4],[6,5,7,8]]}}"#,
    #"{"dataframe_records":[{"a":1,"b":2,"c":3,"d":4},{"d":8,"c":7,"b":6,"a":5,"z":0}]}"#,
    #"{"instances":[[1,2,3,4],[5,6,7,8]]}"#,
    #"{"instances":[{"a":1,"b":2,"c":3,"d":4},{"a":5,"b":6,"c":7,"d":8}]}"#,
    #"{"inputs":[[1,2,3,4],[5,6,7,8]],"params":{"x":[1,{"y":null}]}}"#,
    #"{"inputs":{"a":[1,5],"b":[2,6],"c":[3,7],"d":[4,8]}}"#,
    #"{"inputs":[{"name":"X","shape":[2,4],"datatype":"FP32","data":[1,2,3,4,5,6,7,8]}]}"#,
    #"{"inputs":[{"data":[[1,2,3,4],[5,6,7,8]],"datatype":"FP32","shape":[2,4],"name":"X"}]}"#,
    #"{"data":[[1,2.0,3e0,40e-1],[5,6,7,8]]}"#,
    "{\"dataframe_records\":[{\"\\u0061\":1,\"b\":2,\"c\":3,\"d\":4},"
      + "{\"a\":5,\"b\":6,\"c\":7,\"d\":8}]}",
  ]

  @Test func `rows taken in one loop are those taken value by value`() throws {
    let tokens = [
      "5.1", "0.2", "-1.5", "3", "-0", "1e3", "2.5E-3", "0.10000000149011612", "1234567890",
      "123456789012345678901234567890", "0.000001", "9999999", "null", "NaN", "-Infinity", "true",
    ]
    for type in [ElementType.float32, .float64] {
      let decoder = PayloadDecoder(Self.signature(type))
      for rowCount in [1, 2, 3, 50] {
        let rows = (0..<rowCount).map { _ in
          // Mostly rows without the rare ones.
          (0..<4).map { _ in tokens.prefix(.random(in: 0..<8) == 0 ? 16 : 12).randomElement()! }
        }
        func text(_ rows: [[String]]) -> String {
          let comma = [",", ", ", " , "].randomElement()!
          return "[" + rows.map { "[\($0.joined(separator: comma))]" }.joined(separator: comma)
            + "]"
        }
        let plain = try Self.decode(#"{"data":\#(text(rows))}"#, decoder).inputs[0]
        // Columns in another order go the long way.
        let reversed = text(rows.map { $0.reversed() })
        let mapped = try Self.decode(
          #"{"data":{"columns":["d","c","b","a"],"data":\#(reversed)}}"#, decoder
        ).inputs[0]
        #expect(plain?.shape == Shape(rowCount, 4))
        let (left, right) = (try #require(plain), try #require(mapped))
        #expect(Self.bytes(left) == Self.bytes(right), "\(rows)")
      }
    }
  }

  static func bytes(_ tensor: Tensor) -> [UInt8] {
    let bytes = tensor.bytes
    return (0..<bytes.byteCount).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
  }

  @Test(arguments: [
    ("[1,2,x,4]", "$.data[2][2] is 'x'; expected a number (float32) (line 1, column 36)"),
    ("[1,2,3]", "$.data[2] has 3 values; expected 4: 'a', 'b', 'c', 'd' (line 1, column 31)"),
    ("[1,2,3,4,5]", "$.data[2] has 5 values; expected 4: 'a', 'b', 'c', 'd' (line 1, column 31)"),
    ("[1,2,3 4]", "$.data[2][2] is 4; expected ',' or ']' (line 1, column 38)"),
    (
      "[1,2,\"s\",4]",
      "$.data[2][2] is the string 's'; expected a number (float32) (line 1, column 36)"
    ),
    ("7", "$.data[2] is 7; expected a row (a list) (line 1, column 31)"),
    ("[1,01,3,4]", "$.data[2][1] is 01; expected a number (float32) (line 1, column 34)"),
  ])
  func `a fault behind plain rows is told at its place`(row: String, sentence: String) {
    #expect(Self.sentence(#"{"data": [[1,2,3,4],[5,6,7,8],\#(row),[1,2,3,4]]}"#) == sentence)
  }

  @Test(arguments: forms)
  func `every form gives the same tensor`(body: String) throws {
    let request = try Self.decode(body)
    #expect(request.inputs.count == 1)
    #expect(request.inputs[0]?.shape == Shape(2, 4))
    #expect(Self.floats(request.inputs[0]) == [1, 2, 3, 4, 5, 6, 7, 8])
  }

  @Test func `missing values are NaN, and infinities come bare`() throws {
    let values = Self.floats(
      try Self.decode(#"{"data":[[null,NaN,-Infinity,Infinity]]}"#).inputs[0])
    #expect(values[0].isNaN && values[1].isNaN)
    #expect(values[2] == -.infinity && values[3] == .infinity)
  }

  @Test func `no rows are no error`() throws {
    #expect(try Self.decode(#"{"data":[]}"#).inputs[0]?.shape == Shape(0, 4))
  }

  @Test func `a decimal is read as double and rounded once`() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let bits = UInt64.random(in: 0..<(.max), using: &generator)
      let number = Double(bitPattern: bits)
      guard number.isFinite else { continue }
      // 17 digits, 25 digits, and the shortest: each is the same double or near it.
      for text in [
        "\(number)", formatted("%.17g", number), formatted("%.25e", number),
        formatted("%.3f", number / 0x1p+900),
      ] {
        let want = Float(strtod(text, nil))
        let body = "{\"data\":[[\(text),0,0,0]]}"
        let got = Self.floats(try Self.decode(body).inputs[0])[0]
        #expect(got.bitPattern == want.bitPattern, "\(text)")
      }
    }
  }

  private func formatted(_ format: String, _ number: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 512)
    _ = withVaList([number]) { vsnprintf(&buffer, buffer.count, format, $0) }
    return String(
      decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  @Test func `integers keep every bit, and say their range`() throws {
    let signed = PayloadDecoder(Self.signature(.int64, columns: nil, width: 2))
    let tensor = try #require(
      try Self.decode(
        #"{"data":[[9223372036854775807,-9223372036854775808],[3.0,-0]]}"#, signed
      ).inputs[0])
    let values = tensor.values(as: Int64.self)
    #expect(values[0] == .max && values[1] == .min && values[2] == 3 && values[3] == 0)
    for bad in ["9223372036854775808", "-9223372036854775809", "1.5", "1e30", "null", "\"1\""] {
      let sentence = Self.sentence("{\"data\":[[\(bad),0]]}", signed)
      #expect(sentence.hasPrefix("$.data[0][0] is "), "\(bad): \(sentence)")
      #expect(sentence.contains("int64"), "\(bad): \(sentence)")
    }
    let unsigned = PayloadDecoder(Self.signature(.uint64, columns: nil, width: 1))
    let largest = try #require(
      try Self.decode(#"{"data":[[18446744073709551615]]}"#, unsigned).inputs[0])
    let numbers = largest.values(as: UInt64.self)
    #expect(numbers[0] == .max)
  }

  /// A body, and how the sentence about it begins.
  static let faults: [(String, String)] = [
    ("", "$ is empty; expected a JSON object with one of"),
    ("   ", "$ is empty"),
    ("[1]", "$ is a list; expected a JSON object"),
    ("{}", "$ has none of the members 'input_data', 'data'"),
    (#"{"input_dat":[[1]]}"#, "$ has none of the members"),
    (#"{"data":[[1,2,"three",4]]}"#, "$.data[0][2] is the string 'three'; expected a number"),
    (#"{"data":[[1,2,3,4],[1,2,3]]}"#, "$.data[1] has 3 values; expected 4"),
    (#"{"data":[[1,2,3,4,5]]}"#, "$.data[0] has 5 values; expected 4"),
    (#"{"data":[[1,2,[3],4]]}"#, "$.data[0][2] is a list; expected a number"),
    (#"{"data":[1,2,3,4]}"#, "$.data[0] is 1; expected a row (a list)"),
    (#"{"data":7}"#, "$.data is 7; expected a list of rows"),
    (#"{"data":[[1,2,3,4]"#, "$.data[0] the text ends here"),
    (#"{"data":[[1,2"#, "$.data[0][1] the text ends here; expected ',' or ']'"),
    (#"{"data":[[1,2,3,4]]} x"#, "$ goes on behind the JSON object"),
    (#"{"data":[[01,2,3,4]]}"#, "$.data[0][0] is 01; expected a number"),
    (#"{"data":[[1,2,3,4]],"inputs":[[1,2,3,4]]}"#, "$ has both 'data' and 'inputs'"),
    (
      #"{"input_data":{"columns":["a","b","c"],"data":[[1,2,3]]}}"#,
      "$.input_data.columns has no column 'd'; the model takes 'a', 'b', 'c', 'd'"
    ),
    (
      #"{"input_data":{"columns":["a","b","c","c"],"data":[[1,2,3,4]]}}"#,
      "$.input_data.columns names column 'c' twice"
    ),
    (
      #"{"dataframe_records":[{"a":1,"b":2,"c":3,"d":4},{"a":1,"b":2,"c":3}]}"#,
      "$.dataframe_records[1] has no column 'd'"
    ),
    (
      #"{"inputs":[{"name":"Y","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]},"#
        + #"{"name":"X","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}"#,
      "$.inputs[0] unexpected inference input 'Y'"
    ),
    (
      #"{"inputs":[{"name":"X","shape":[1,4],"datatype":"INT64","data":[1,2,3,4]}]}"#,
      "$.inputs[0].datatype inference input data-type is 'INT64', model expects 'FP32' for 'X'"
    ),
    (
      #"{"inputs":[{"name":"X","shape":[1,4],"datatype":"FP32","data":[1,2,3]}]}"#,
      "$.inputs[0].data has 3 elements; shape [1, 4] takes 4"
    ),
    (
      #"{"inputs":[{"name":"X","shape":[4611686018427387904,4],"datatype":"FP32","data":[1]}]}"#,
      "$.inputs[0].shape"
    ),
    ("{\"data\":[[1,2,3,\"\u{1}\"]]}", "$.data[0][3]"),
    (#"{"data":[[1,2,3,"\ud800"]]}"#, "$.data[0][3]"),
  ]

  @Test(arguments: faults)
  func `a fault names its place, what came and what was expected`(
    fault: (body: String, begins: String)
  ) {
    let sentence = Self.sentence(fault.body)
    #expect(sentence.hasPrefix(fault.begins), "\(fault.body): \(sentence)")
  }

  @Test func `65 levels are refused, and every truncation is an error`() {
    let deep = String(repeating: "[", count: 65) + String(repeating: "]", count: 65)
    #expect(Self.sentence("{\"data\":[[1,2,3,4]],\"params\":\(deep)}").contains("64"))
    for body in Self.forms {
      let bytes = Array(body.utf8)
      guard let last = bytes.lastIndex(of: UInt8(ascii: "}")) else { continue }
      for count in 0..<last {
        #expect(Self.refuses(Array(bytes[..<count])), "\(body) cut at \(count)")
      }
    }
  }

  @Test func `random bytes in a body are an answer or an error, never a trap`() {
    var generator = SystemRandomNumberGenerator()
    for body in Self.forms {
      for _ in 0..<200 {
        var bytes = Array(body.utf8)
        for _ in 0..<Int.random(in: 1...3, using: &generator) {
          bytes[Int.random(in: 0..<bytes.count, using: &generator)] =
            Array("[]{}\",:-0123456789eE.\\untfNI \u{7F}".utf8).randomElement(using: &generator)
            ?? 0xFF
        }
        do {
          let request = try Self.decoder.decode(bytes.span)
          #expect(request.inputs[0]?.shape.rank == 2)
        } catch {
          #expect(!"\(error)".isEmpty)
        }
      }
    }
  }

  @Test func `a model of one column an input takes columns, records and strings`() throws {
    let decoder = PayloadDecoder(
      ModelSignature(
        inputs: [
          ModelInput(name: "height", elementType: .float32, shape: [nil, 1]),
          ModelInput(name: "colour", elementType: .string, shape: [nil, 1]),
        ], outputs: []))
    for body in [
      #"{"input_data":{"columns":["colour","height"],"data":[["red",1.5],["gr\u00fcn",2]]}}"#,
      #"{"dataframe_records":[{"height":1.5,"colour":"red"},{"height":2,"colour":"grün"}]}"#,
      #"{"inputs":{"height":[[1.5],[2]],"colour":[["red"],["grün"]]}}"#,
      #"{"data":[[1.5,"red"],[2,"grün"]]}"#,
    ] {
      let inputs = try Self.decode(body, decoder).inputs
      #expect(Self.floats(inputs[0]) == [1.5, 2], "\(body)")
      #expect(inputs[1]?.strings.strings == ["red", "grün"], "\(body)")
      #expect(inputs[1]?.shape == Shape(2, 1), "\(body)")
    }
    let sentence = Self.sentence(#"{"data":[[1.5,7]]}"#, decoder)
    #expect(sentence.hasPrefix("$.data[0][1] is 7; expected a string"), "\(sentence)")
  }

  @Test func `an input that may be left out is in every row or in none`() throws {
    let decoder = PayloadDecoder(
      ModelSignature(
        inputs: [
          ModelInput(name: "a", elementType: .float32, shape: [nil]),
          ModelInput(name: "b", elementType: .float32, shape: [nil], isRequired: false),
        ], outputs: []))
    let none = try Self.decode(#"{"input_data":[{"a":1},{"a":2}]}"#, decoder).inputs
    #expect(Self.floats(none[0]) == [1, 2] && none[1] == nil)
    for body in [
      #"{"input_data":[{"a":1,"b":2},{"a":1}]}"#, #"{"input_data":[{"a":3},{"a":1,"b":2}]}"#,
      "{\"input_data\":[{\"a\":1,\"b\":2}" + String(repeating: ",{\"a\":1}", count: 2000) + "]}",
    ] {
      #expect(Self.sentence(body, decoder).contains("expected it in all of them or in none"))
    }
  }

  @Test func `forty thousand unknown members cost no time`() {
    let members = (0..<40_000).map { "\"k\($0)\":0" }.joined(separator: ",")
    let start = ContinuousClock.now
    #expect(Self.sentence("{\"input_data\":{\(members)}}").contains("has no columns"))
    #expect(ContinuousClock.now - start < .seconds(5))
  }

  @Test func `memory stays within twenty times the body`() {
    let names = (0..<100).map { "c\($0)" }
    let decoder = PayloadDecoder(Self.signature(columns: names, width: 100))
    let ones = [String](repeating: "1", count: 20_000).joined(separator: ",")
    let sentence = Self.sentence("{\"input_data\":{\"c99\":[\(ones)]}}", decoder)
    #expect(sentence.contains("20 times the body"), "\(sentence.prefix(200))")
    let long = String(repeating: "z", count: 2_000_000)
    #expect(Self.sentence("{\"input_data\":{\"columns\":[],\"\(long)\":1}}").utf8.count < 4000)
    #expect(
      Self.sentence(
        #"{"inputs":[{"name":"X","shape":[20000000,0],"datatype":"FP32","data":[]}]}"#,
        PayloadDecoder(Self.signature(columns: nil, width: nil))
      ).contains("has no elements and a dimension over"))
  }

  @Test func `a model with one input it must have takes a list for it`() throws {
    // Old ONNX files list their weights among the inputs.
    let decoder = PayloadDecoder(
      ModelSignature(
        inputs: [
          ModelInput(name: "weights", elementType: .float32, shape: [2, 3], isRequired: false),
          ModelInput(name: "X", elementType: .float32, shape: [nil, 2]),
        ], outputs: []))
    let column = PayloadDecoder(
      ModelSignature(
        inputs: [
          ModelInput(name: "X", elementType: .float32, shape: [nil, 1]),
          ModelInput(name: "bias", elementType: .float32, shape: [1], isRequired: false),
        ], outputs: []))
    #expect(
      Self.floats(try Self.decode(#"{"data":[[1],[2]]}"#, column).inputs[0]) == [1, 2])
    for body in [
      #"{"data":[[1,2],[3,4]]}"#, #"{"dataframe_split":{"data":[[1,2],[3,4]]}}"#,
      #"{"inputs":{"X":[[1,2],[3,4]]}}"#,
    ] {
      let inputs = try Self.decode(body, decoder).inputs
      #expect(inputs[0]?.shape == nil, "\(body)")
      #expect(Self.floats(inputs[1]) == [1, 2, 3, 4], "\(body)")
    }
  }

  @Test func `more rows than a model of fixed shape takes are an error`() {
    let decoder = PayloadDecoder(
      ModelSignature(
        inputs: [ModelInput(name: "X", elementType: .float32, shape: [1, 2])], outputs: []))
    #expect(
      Self.sentence(#"{"data":[[1,2],[3,4]]}"#, decoder)
        .hasPrefix("$.data has shape [2, 2]; input 'X' takes [1, 2]"))
  }

  @Test func `columns in any order give the same bits`() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<50 {
      let numbers = (0..<4).map { _ in
        Float(bitPattern: .random(in: 0..<0x7F80_0000, using: &generator))
      }
      let order = (0..<4).shuffled(using: &generator)
      let names = order.map { "\"\(Self.names[$0])\"" }.joined(separator: ",")
      let values = order.map { "\(Double(numbers[$0]))" }.joined(separator: ",")
      let body = "{\"dataframe_split\":{\"columns\":[\(names)],\"data\":[[\(values)]]}}"
      #expect(
        Self.floats(try Self.decode(body).inputs[0]).map(\.bitPattern)
          == numbers.map(\.bitPattern), "\(body)")
    }
  }

  @Test func `instances of a model of several tensors are objects by their names`() throws {
    let decoder = PayloadDecoder(
      ModelSignature(
        inputs: [
          ModelInput(name: "image", elementType: .float32, shape: [nil, 2, 2]),
          ModelInput(name: "token", elementType: .int64, shape: [nil]),
        ], outputs: []))
    let request = try Self.decode(
      #"{"instances":[{"image":[[1,2],[3,4]],"token":7},{"token":8,"image":[[5,6],[7,8]]}]}"#,
      decoder)
    #expect(request.form == .mlflow)
    #expect(request.inputs[0]?.shape == Shape(2, 2, 2))
    #expect(Self.floats(request.inputs[0]) == [1, 2, 3, 4, 5, 6, 7, 8])
    let tokens = try #require(request.inputs[1])
    #expect(
      (0..<tokens.values(as: Int64.self).count).map { tokens.values(as: Int64.self)[$0] } == [7, 8])
    #expect(
      Self.sentence(#"{"instances":[{"image":[[1,2],[3,4]]}]}"#, decoder).contains("'token'"))
  }

  private func problems(_ read: () throws(ScoringError) -> DecodedRequest) -> String {
    do throws(ScoringError) {
      _ = try read()
      return "taken"
    } catch {
      return error.inputSentence ?? "\(error)"
    }
  }

  @Test func `named inputs and columns are all told of, whatever is wrong with one`() {
    let decoder = PayloadDecoder(
      ModelSignature(
        inputs: [
          ModelInput(name: "image", elementType: .float32, shape: [nil, 2]),
          ModelInput(name: "token", elementType: .int64, shape: [nil]),
          ModelInput(name: "mask", elementType: .int64, shape: [nil]),
        ], outputs: [ModelOutput(name: "logits", kind: .tensor(.float32, shape: [nil]))]))
    let columns = problems { () throws(ScoringError) in
      try decoder.decodePredict(
        Array(
          #"{"inputs":{"image":[[1,2,3]],"token":[1.5],"msak":[1]},"signature_name":"other"}"#.utf8
        ).span)
    }
    for part in [
      "$.inputs.image has shape [1, 3]; input 'image' takes [-1, 2]",
      "$.inputs.token[0] is 1.5; expected an integer", "has no 'mask'; is 'msak' meant as 'mask'?",
      "Serving signature name: \"other\" not found",
    ] { #expect(columns.contains(part), "\(part) is not in \(columns)") }
    let rows = problems { () throws(ScoringError) in
      try decoder.decodePredict(
        Array(
          #"""
          {"instances":[{"image":[1,2],"token":1,"mask":"x"},{"imge":[1,2],"token":1,"mask":1},
          {"image":[1,2],"mask":1}],"inputs":[1]}
          """#.utf8
        ).span)
    }
    for part in [
      "$.instances[0].mask is the string 'x'", "element: 1 key: imge of 'instances' list",
      "did you mean 'image'?", "element: 2 of 'instances' list. Error: it has no 'token'",
      "Not expecting both 'inputs' and 'instances' key",
    ] { #expect(rows.contains(part), "\(part) is not in \(rows)") }
    #expect(!rows.contains("it has no 'image'"), "\(rows)")
    let outputs = problems { () throws(ScoringError) in
      try decoder.decode(
        Array(
          #"""
          {"inputs":[{"name":"image","shape":[1,2],"datatype":"FP32","data":[1,null,3]},
          {"name":"token","shape":[1],"datatype":"INT64","data":[1]},
          {"name":"mask","shape":[1],"datatype":"INT64","data":[1]}],
          "outputs":[{"name":"logitts"},{}]}
          """#.utf8
        ).span)
    }
    for part in [
      "$.inputs[0].data has 3 elements; shape [1, 2] takes 2",
      "$.outputs[0] unexpected inference output 'logitts'; the model gives 'logits'; did you mean "
        + "'logits'?", "$.outputs[1] expected the member name",
    ] { #expect(outputs.contains(part), "\(part) is not in \(outputs)") }
  }

  @Test func `a table's members are all told of`() {
    let text = problems { () throws(ScoringError) in
      try Self.decoder.decode(
        Array(
          #"{"dataframe_split":{"cols":[],"columns":[true],"data":[[1]]},"instances":[[1]]}"#.utf8
        ).span)
    }
    for part in [
      "'cols' is no member of a table", "is true; expected a column name",
      "has both 'dataframe_split' and 'instances'",
    ] { #expect(text.contains(part), "\(part) is not in \(text)") }
    let object = problems { () throws(ScoringError) in
      try Self.decoder.decode(
        Array(#"{"input_data":{"a":[1,2],"b":[1],"c":["x",2],"a":[3,4]}}"#.utf8).span)
    }
    for part in [
      "$.input_data.b has 1 values; expected 2", "$.input_data.c[0] is the string 'x'",
      "names 'a' twice", "has no column 'd'",
    ] { #expect(object.contains(part), "\(part) is not in \(object)") }
    let record = problems { () throws(ScoringError) in
      try Self.decoder.decode(
        Array(#"{"data":[{"a":1,"a":2,"b":3,"c":4,"d":5},{"a":1,"b":2,"c":"y","d":4}]}"#.utf8).span)
    }
    for part in ["names column 'a' twice", "$.data[1].c is the string 'y'"] {
      #expect(record.contains(part), "\(part) is not in \(record)")
    }
    var table = ModelInput(name: "X", elementType: .float32, shape: [nil, 2], columns: ["a", "b"])
    table.columnRules = [.number, .integer(bits: 32)]
    let nameless = problems { () throws(ScoringError) in
      try PayloadDecoder(ModelSignature(inputs: [table], outputs: [])).decode(
        Array(#"{"data":[[1,2.5],[1]]}"#.utf8).span)
    }
    for part in [
      "$.data has no column names", "$.data[0][1] is 2.5; expected an integer",
      "$.data[1] has 1 value; expected 2",
    ] { #expect(nameless.contains(part), "\(part) is not in \(nameless)") }
    let image = PayloadDecoder(
      ModelSignature(
        inputs: [ModelInput(name: "image", elementType: .float32, shape: [nil, 2, 2])], outputs: [])
    )
    let ragged = problems { () throws(ScoringError) in
      try image.decode(
        Array(#"{"data":[[[1,2],[3]],[[4,null],[5,6,7]],[[1,"x"],[1,2]]]}"#.utf8).span)
    }
    for part in [
      "$.data[0][1] has 1 elements; expected 2", "$.data[1][1] has 3 elements; expected 2",
      "$.data[2][0][1] is the string 'x'",
    ] { #expect(ragged.contains(part), "\(part) is not in \(ragged)") }
  }

  @Test func `a model that takes an image takes a nested list`() throws {
    let decoder = PayloadDecoder(
      ModelSignature(
        inputs: [ModelInput(name: "image", elementType: .float32, shape: [nil, 1, 2, 2])],
        outputs: []))
    let request = try Self.decode(#"{"input_data":[[[[1,2],[3,4]]],[[[5,6],[7,8]]]]}"#, decoder)
    #expect(request.inputs[0]?.shape == Shape(2, 1, 2, 2))
    #expect(Self.floats(request.inputs[0]) == [1, 2, 3, 4, 5, 6, 7, 8])
    #expect(
      Self.sentence(#"{"input_data":[[[[1,2],[3]]]]}"#, decoder)
        .hasPrefix("$.input_data[0][0][1] has 1 elements; expected 2"))
    #expect(
      Self.sentence(#"{"input_data":[[[1,2]]]}"#, decoder).contains("takes [-1, 1, 2, 2]"))
  }
}

@Suite struct ScoringAnswerTests {
  private func text(_ values: [ModelValue], _ names: [String]) -> String {
    var writer = JSONWriter()
    ScoringAnswer.write(values, names: names, to: &writer)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  private let two = ModelValue.tensor(Tensor([0.1, 2, -3.5, .nan] as [Float], shape: Shape(2, 2)))

  @Test func `one output is bare, several are an object`() {
    #expect(text([two], ["p"]) == "[[0.10000000149011612,2.0],[-3.5,NaN]]")
    #expect(
      text([.tensor(Tensor([1, 2] as [Int64], shape: Shape(2))), two], ["label", "p"])
        == #"{"label":[1,2],"p":[[0.10000000149011612,2.0],[-3.5,NaN]]}"#)
  }

  @Test func `a ZipMap is a list of objects`() {
    let keys = Tensor(strings: ByteStrings(["no", "y\"es"]), shape: Shape(2))
    #expect(
      text([.maps(keys: keys, values: Tensor([0.25, 0.75] as [Float], shape: Shape(1, 2)))], ["p"])
        == #"[{"no":0.25,"y\"es":0.75}]"#)
  }

  @Test func `a float32 is printed so that a reader of doubles gets exactly it`() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<10_000 {
      let number = Float(bitPattern: .random(in: 0..<(.max), using: &generator))
      guard number.isFinite else { continue }
      var writer = JSONWriter()
      writer.number(number)
      let text = String(decoding: writer.bytes, as: UTF8.self)
      #expect(strtod(text, nil) == Double(number), "\(text)")
    }
  }

  @Test func `the Open Inference Protocol's answer is flat`() {
    var writer = JSONWriter()
    ScoringAnswer.writeInferenceProtocol(
      [two], names: ["p"], id: "42", model: "iris", version: "1", to: &writer)
    #expect(
      String(decoding: writer.bytes, as: UTF8.self)
        == #"{"id":"42","model_name":"iris","model_version":"1","outputs":[{"name":"p","datatype":"FP32","shape":[2,2],"data":[0.10000000149011612,2.0,-3.5,NaN]}]}"#
    )
  }

  @Test func `a scalar is TensorFlow Serving's column of a model that takes one`() throws {
    func decode(_ body: String, shape: [Int?]) throws -> Tensor? {
      let input = ModelInput(name: "x", elementType: .float32, shape: shape)
      let decoder = PayloadDecoder(ModelSignature(inputs: [input], outputs: []))
      return try decoder.decodePredict(Array(body.utf8).span).inputs[0]
    }
    let scalar = try #require(try decode("{\"inputs\": 1.5}", shape: []))
    #expect(scalar.shape.rank == 0 && scalar.values(as: Float.self)[0] == 1.5)
    #expect(throws: ScoringError.self) { try decode("{\"inputs\": [1.5]}", shape: []) }
    #expect(throws: ScoringError.self) { try decode("{\"inputs\": 1.5}", shape: [nil, 1]) }
    #expect(throws: ScoringError.self) { try decode("{\"inputs\": }", shape: []) }
  }
}
