import Documents
import Executors
import Tensors
import Testing

@testable import Serving

/// Bodies of the Open Inference Protocol, JSON and binary.
struct InferenceRequestTests {
  private static let signature = ModelSignature(
    inputs: [
      ModelInput(name: "a", elementType: .float32, shape: [nil, 2]),
      ModelInput(name: "s", elementType: .string, shape: [nil], isRequired: false),
      ModelInput(name: "flag", elementType: .bool, shape: [nil], isRequired: false),
    ],
    outputs: [
      ModelOutput(name: "y", kind: .tensor(.float32, shape: [nil])),
      ModelOutput(name: "p", kind: .maps(keys: .int64, values: .float32)),
    ])

  private func decode(
    _ json: String, _ tail: [UInt8] = [], header: Int? = nil, isBinary: Bool = false,
    signature: ModelSignature = signature
  ) -> Result<DecodedRequest, ScoringError> {
    let body = Array(json.utf8) + tail
    let length = header ?? (isBinary || !tail.isEmpty ? json.utf8.count : nil)
    let call = InferenceCall(modelName: "m", version: nil, headerByteCount: length)
    do throws(ScoringError) {
      return .success(try PayloadDecoder(signature).decodeInference(body.span, call))
    } catch {
      return .failure(error)
    }
  }

  private func sentence(_ result: Result<DecodedRequest, ScoringError>) -> String {
    switch result {
    case .success: "taken"
    case .failure(.badInput(let sentence)): sentence
    case .failure(let error): "\(error)"
    }
  }

  private static let good =
    #"{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}"#
    + #",{"name":"s","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":11}}],"#
    + #""outputs":[{"name":"y","parameters":{"binary_data":true,"classification":2}},{"name":"p"}],"#
    + #""parameters":{"binary_data_output":true,"priority":1,"timeout":5000,"my":"own"},"id":"42"}"#
  private static let bytes: [UInt8] =
    [0, 0, 0xC0, 0x3F, 0, 0, 0, 0xC0] + [2, 0, 0, 0, 0x61, 0x00, 1, 0, 0, 0, 0x63]

  @Test func `binary tensors lie behind the JSON in the order of the inputs`() throws {
    let request = try decode(Self.good, Self.bytes).get()
    let tensor = try #require(request.inputs[0])
    let first = tensor.values(as: Float.self)
    #expect([first[0], first[1]] == [1.5, -2])
    #expect(request.inputs[1]?.strings == ByteStrings(["a\0", "c"]))
    #expect(request.inputs[2] == nil)
    #expect(request.id == "42")
    #expect(request.binaryByDefault)
    #expect(
      request.outputRequests == [
        OutputRequest(name: "y", isBinary: true, classCount: 2), OutputRequest(name: "p"),
      ])
  }

  @Test(arguments: [
    (#""shape":[1,2],"datatype":"FP32""#, "must set only one of the following fields"),
    (#""shape":[1,2],"datatype":"FP32","data":[1,2],"parameters":{"binary_data_size":8}"#, "both"),
    (#""shape":[1,2],"datatype":"FP32","data":[1]"#, "has 1 elements"),
    (#""shape":[1,2],"datatype":"FP64","data":[1,2]"#, "model expects 'FP32' for 'm'"),
    (#""shape":[1,3],"datatype":"FP32","data":[1,2,3]"#, "Expected [-1,2], got [1,3]."),
    (#""shape":[-1,2],"datatype":"FP32","data":[1,2]"#, "a dimension: an integer from 0 on"),
    (#""shape":[9223372036854775807,2],"datatype":"FP32","data":[1,2]"#, "exceed maximum size"),
    (#""shape":[18446744073709551616,2],"datatype":"FP32","data":[1,2]"#, "dimension"),
    (#""shape":[1,1,1,1,1,1,1,1,2],"datatype":"FP32","data":[1,2]"#, "at most 8 dimensions"),
    (#""shape":[1,2],"datatype":"F32","data":[1,2]"#, "expected one of"),
    (#""shape":[99999999,0],"datatype":"FP32","data":[]"#, "got [99999999,0]"),
    (#""shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":9}"#, "expecting 9"),
    (#""shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":-1}"#, "from 0 on"),
    (
      #""shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":1e30}"#,
      "from 0 on"
    ),
    (
      #""shape":[1,2],"datatype":"FP32","parameters":{"shared_memory_region":"x"}"#,
      "shared memory"
    ),
  ])
  func `an input that does not fit is refused in the clients' words`(
    members: String, expected: String
  ) {
    let text = sentence(decode(#"{"inputs":[{"name":"a",\#(members)}]}"#))
    #expect(text.contains(expected), "\(text)")
    #expect(text.hasPrefix("[request id: <id_unknown>] "), "\(text)")
    #expect(text.contains("$.inputs[0]"), "\(text)")
  }

  @Test func `sizes, lengths and leftovers of the binary part are checked`() {
    let one =
      #"{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}"#
    let eight = [UInt8](repeating: 0, count: 8)
    #expect(sentence(decode(one, eight)) == "taken")
    #expect(
      sentence(decode(one, Array(eight.dropLast()))).contains("expecting 8 additional bytes"))
    #expect(sentence(decode(one, eight + [0])).contains("unexpected additional input data"))
    #expect(sentence(decode(one, eight, header: 4000)).contains("should be in range (0, "))
    #expect(sentence(decode(one, eight, header: 20)).contains("ends"))
    let seven = one.replacing("\"binary_data_size\":8", with: "\"binary_data_size\":7")
    #expect(sentence(decode(seven, Array(eight.dropLast()))).contains("Expected 8, got 7"))
    let flag = { (shape: Int, count: Int) in
      one.replacing("]}", with: "")
        + #",{"name":"flag","shape":[\#(shape)],"datatype":"BOOL","parameters":"#
        + #"{"binary_data_size":\#(count)}}]}"#
    }
    #expect(sentence(decode(flag(2, 2), eight + [1, 0])) == "taken")
    #expect(sentence(decode(flag(2, 2), eight + [1, 2])).contains("expected 0 or 1"))
    let text = { (count: Int, bytes: [UInt8]) in
      sentence(
        decode(
          one.replacing("]}", with: "")
            + #",{"name":"s","shape":[\#(count)],"datatype":"BYTES","parameters":"#
            + #"{"binary_data_size":\#(bytes.count)}}]}"#, eight + bytes))
    }
    #expect(text(1, [1, 0, 0, 0, 0x61]) == "taken")
    #expect(text(0, []) == "taken")
    #expect(text(1, [2, 0, 0, 0, 0x61]).contains("has 2 bytes, 1 are left"))
    #expect(text(1, [0xFF, 0xFF, 0xFF, 0xFF]).contains("4294967295 bytes"))
    #expect(text(1, [1, 0, 0]).contains("inside the length"))
    #expect(text(2, [1, 0, 0, 0, 0x61]).contains("expected 2 strings"))
    #expect(text(1, [0, 0, 0, 0, 0, 0, 0, 0]).contains("bytes follow"))
  }

  @Test(arguments: [
    (#"{"outputs":[]}"#, "Unable to parse 'inputs'"),
    (#"{"inputs":[]}"#, "expected 3 inputs but got 0 inputs for model 'm'"),
    (#"{"inputs":[{"name":"aa","shape":[],"datatype":"FP32","data":[]}]}"#, "did you mean 'a'?"),
    (#"{"inputs":[INPUT,INPUT]}"#, "already exists in request"),
    (#"{"inputs":[INPUT],"outputs":[{"name":"z"}]}"#, "unexpected inference output 'z'"),
    (#"{"inputs":[INPUT],"outputs":[{"name":"y"},{"name":"y"}]}"#, "'y' already exists"),
    (#"{"inputs":[INPUT],"parameters":{"triton_x":1}}"#, "reserved"),
    (#"{"inputs":[INPUT],"parameters":{"x":{}}}"#, "a string, a number or a boolean"),
    (#"{"inputs":[INPUT],"parameters":{"binary_data_output":1}}"#, "a boolean"),
    (#"{"inputs":[INPUT],"parameters":{"priority":-1}}"#, "from 0 on"),
    (#"{"inputs":[INPUT]} x"#, "goes on behind"),
    (#"{"inputs":[INPUT],"inputs":[INPUT]}"#, "twice"),
    ("", "the text ends here"),
    ("[]", "a JSON object"),
  ])
  func `a request that is none is refused`(body: String, expected: String) {
    let input = #"{"name":"a","shape":[1,2],"datatype":"FP32","data":[NaN,Infinity]}"#
    let text = sentence(decode(body.replacing("INPUT", with: input)))
    #expect(text.contains(expected), "\(text)")
  }

  @Test func `one answer tells everything that is wrong with a request`() {
    let text = sentence(
      decode(
        #"""
        {"id": 7, "parameters": {"priority": -1, "triton_x": 1, "timeout": "soon"},
         "inputs": [
           {"name": "a", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]},
           {"name": "s", "shape": ["x"], "datatype": "TEXT", "data": ["u"]},
           {"name": "flagg", "shape": [1], "datatype": "BOOL", "data": [true]},
           {"name": "flag", "shape": [2], "datatype": "BOOL", "data": [true, 7, false]},
           {"name": "a", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]},
           {"shape": [1]}, 5],
         "outputs": [{"name": "x"}, {"name": "y", "parameters": {"classification": -2}},
           {"name": "y"}, {}, {"name": "p", "parameters": {"binary_data": 1}}]}
        """#))
    for part in [
      "a string (at $.id", "'priority' (at $.parameters.priority", "'triton_x' (at",
      "'timeout' (at $.parameters.timeout",
      "data-type is 'FP64', model expects 'FP32' for 'm' (at $.inputs[0].datatype",
      "Expected [-1,2], got [1,3]. (at $.inputs[0].shape",
      "expected a dimension: an integer from 0 on (at $.inputs[1].shape[0]",
      "is 'TEXT'; expected one of",
      "unexpected inference input 'flagg' for model 'm'; the model takes 'a', 's', 'flag'; did you "
        + "mean 'flag'? (at $.inputs[2]",
      "is 7; expected true or false (at $.inputs[3].data[1]",
      "input 'a' already exists in request", "expected the members name, shape, datatype and data",
      "is 5; expected an input (an object) (at $.inputs[6]",
      "unexpected inference output 'x'", "'classification' (at $.outputs[1]",
      "output 'y' already exists in request", "expected the member name",
      "'binary_data' (at $.outputs[4]",
    ] { #expect(text.contains(part), "\(part) is not in \(text)") }
    #expect(!text.contains("missing required"), "\(text)")
  }

  @Test func `an input that is missing is told beside what is wrong with the others`() {
    let signature = ModelSignature(
      inputs: ["left", "right", "weight"].map {
        ModelInput(name: $0, elementType: .float32, shape: [nil])
      }, outputs: [])
    let text = sentence(
      decode(
        #"{"inputs":[{"name":"left","shape":[2],"datatype":"FP32","data":["x",1]},"#
          + #"{"name":"rigth","shape":[1],"datatype":"FP32","data":[1]}]}"#, signature: signature))
    #expect(text.contains("is the string 'x'; expected a number"), "\(text)")
    #expect(text.contains("did you mean 'right'?"), "\(text)")
    // The one that is named nearly is not told a second time.
    #expect(
      text.contains("Got input(s) ['left'], but missing required input(s) ['weight']."), "\(text)")
    // Bytes of an input that cannot be read are no surplus.
    let binary = sentence(
      decode(
        #"{"inputs":[{"name":"left","shape":[1],"datatype":"FP32","#
          + #""parameters":{"binary_data_size":"4"}},{"name":"right","shape":[2],"#
          + #""datatype":"FP32","data":[1]},{"name":"weight","shape":[1],"datatype":"FP32","#
          + #""data":[1]}]}"#, [0, 0, 0, 0], signature: signature))
    #expect(binary.contains("for 'binary_data_size'"), "\(binary)")
    #expect(binary.contains("has 1 elements; shape [2] takes 2"), "\(binary)")
    #expect(!binary.contains("additional input data"), "\(binary)")
  }

  @Test func `raw bytes become the one input's tensor`() throws {
    func raw(_ inputs: [ModelInput], _ bytes: [UInt8]) -> Result<DecodedRequest, ScoringError> {
      decode(
        "", bytes, header: 0, signature: ModelSignature(inputs: inputs, outputs: []))
    }
    let row = ModelInput(name: "x", elementType: .int32, shape: [nil, nil, 2])
    let request = try raw([row], [UInt8](repeating: 1, count: 16)).get()
    #expect(request.inputs[0]?.shape == Shape(1, 2, 2))
    #expect(request.binaryByDefault)
    #expect(sentence(raw([row], [1, 2, 3])).contains("Expected 0, got 3"))
    #expect(
      sentence(raw([row, row], [])).contains(
        "Raw request must only have 1 input (found 1) to be deduced but got 2 inputs in"))
    let twice = ModelInput(name: "x", elementType: .int32, shape: [nil, nil, nil])
    #expect(sentence(raw([twice], [])).contains("more than one variable-sized dimension"))
    let text = ModelInput(name: "t", elementType: .string, shape: [nil, 1])
    #expect(try raw([text], [0x68, 0, 0x69]).get().inputs[0]?.strings == ByteStrings(["h\0i"]))
    let texts = ModelInput(name: "t", elementType: .string, shape: [nil, 2])
    #expect(
      sentence(raw([texts], [])).contains(
        "For BYTE datatype raw input 't', the model must have input shape [1]"))
  }

  @Test func `no mutation of a good request traps`() {
    let json = Array(Self.good.utf8)
    let whole = json + Self.bytes
    var generator = SplitMix(state: 7)
    for _ in 0..<20_000 {
      var body = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        guard !body.isEmpty else { break }
        let place = Int.random(in: 0..<body.count, using: &generator)
        switch Int.random(in: 0..<4, using: &generator) {
        case 0: body[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: body.remove(at: place)
        case 2: body.insert(UInt8(ascii: "9"), at: place)
        default: body.removeSubrange(place..<min(body.count, place + 9))
        }
      }
      let length =
        Bool.random(using: &generator)
        ? json.count : Int.random(in: 0...whole.count + 3, using: &generator)
      let call = InferenceCall(modelName: "m", version: nil, headerByteCount: length)
      _ = try? PayloadDecoder(Self.signature).decodeInference(body.span, call)
    }
  }

  @Test func `integers beyond 2^53 are ordered as integers`() throws {
    let large = Tensor([Int64.max - 1, .max, .min, -1, .max - 2], shape: Shape(1, 5))
    #expect(
      try Classification.best(3, of: large, hasRows: true)?.strings.strings
        == ["9223372036854775807:1", "9223372036854775806:0", "9223372036854775805:4"])
    let unsigned = Tensor([UInt64.max - 1, .max, 1 << 63, 3], shape: Shape(1, 4))
    #expect(
      try Classification.best(4, of: unsigned, hasRows: true)?.strings.strings == [
        "18446744073709551615:1", "18446744073709551614:0", "9223372036854775808:2", "3:3",
      ])
  }

  @Test func `the best k are those of a whole sort, whatever k is`() throws {
    var generator = SplitMix(state: 7)
    let choices: [Double] = [0, -0.0, .nan, .infinity, -.infinity, 1, -1, 0.5, 1e-300]
    let values = (0..<300).map { _ in choices.randomElement(using: &generator) ?? 0 }
    let scores = Tensor(values, shape: Shape(3, 100))
    func places(_ count: Int) throws -> [[Substring]] {
      let texts = try Classification.best(count, of: scores, hasRows: true)?.strings.strings ?? []
      let all = texts.map { $0.split(separator: ":")[1] }
      return (0..<3).map { Array(all[($0 * min(count, 100))..<(($0 + 1) * min(count, 100))]) }
    }
    let whole = try places(100)
    for row in 0..<3 {
      let sorted = (0..<100).sorted { left, right in
        let (first, second) = (values[row * 100 + left], values[row * 100 + right])
        if first.isNaN || second.isNaN { return !first.isNaN || (second.isNaN && left < right) }
        return first == second ? left < right : first > second
      }
      #expect(whole[row] == sorted.map { Substring("\($0)") })
      for count in [1, 2, 7, 63, 64, 65, 99] {
        #expect(try places(count)[row] == Array(whole[row].prefix(count)))
      }
    }
  }

  @Test func `the search for the best ends at the deadline`() throws {
    let scores = Tensor([Float](repeating: 0, count: 200_000), shape: Shape(2, 100_000))
    for count in [1, 1000] {
      #expect(throws: ScoringError.executor(.deadlinePassed)) {
        try Classification.best(count, of: scores, hasRows: true, isOver: { true })
      }
    }
  }

  @Test func `a class has its name where the model has names`() throws {
    let scores = Tensor([Float(0.25), 0.75], shape: Shape(1, 2))
    #expect(
      try Classification.best(1, of: scores, hasRows: true, labels: ["cat", "dog"])?
        .strings.strings == ["0.750000:1:dog"])
    let values: [ModelValue] = [
      .maps(
        keys: Tensor(strings: ByteStrings(["cat", "dog"]), shape: Shape(2)), values: scores)
    ]
    let outputs = InferenceAnswer.outputs(values, names: ["p"])
    let arranged = try InferenceAnswer.arranged(
      outputs, as: [OutputRequest(name: "p.values", classCount: 1), OutputRequest(name: "p")],
      binaryByDefault: false, hasRows: true)
    // The maps by their own name are what no other request has named.
    #expect(arranged.map(\.name) == ["p.values", "p.keys"])
    #expect(arranged[0].tensor.strings.strings == ["0.750000:1:dog"])
  }

  @Test func `classes are the best first, NaN last, with their places`() throws {
    let scores = Tensor([Float(0.25), .nan, 0.5, 0.25], shape: Shape(1, 4))
    #expect(
      try Classification.best(3, of: scores, hasRows: true)?.strings.strings
        == ["0.500000:2", "0.250000:0", "0.250000:3"])
    let whole = Tensor([Int64(-3), 7], shape: Shape(2))
    #expect(
      try Classification.best(9, of: whole, hasRows: false)?.strings.strings == ["7:1", "-3:0"])
    #expect(try Classification.best(1, of: whole, hasRows: true)?.shape == Shape(2, 1))
  }

  @Test func `no rows have as many classes as others`() throws {
    func shape(_ count: Int, _ scores: Shape) throws -> Shape? {
      try Classification.best(count, of: Tensor([Float](), shape: scores), hasRows: true)?.shape
    }
    #expect(try shape(3, Shape(0, 4)) == Shape(0, 3))
    #expect(try shape(9, Shape(0, 4)) == Shape(0, 4))
    #expect(try shape(2, Shape(0)) == Shape(0, 1))
    #expect(try shape(2, Shape(5, 0)) == Shape(5, 0))
  }

  @Test func `classes that cannot fit an answer are refused before any is made`() throws {
    let scores = Tensor([Float](repeating: 1, count: 4000), shape: Shape(40, 100))
    let output = InferenceAnswer.Output(name: "p", tensor: scores)
    var asked = OutputRequest(name: "p")
    asked.classCount = 100
    #expect(throws: ScoringError.answerTooLarge(byteCount: 96_000, limit: 95_999)) {
      try InferenceAnswer.arranged(
        [output], as: [asked], binaryByDefault: false, hasRows: true, maxBytes: 95_999,
        isOver: {
          Issue.record("it has been begun")
          return false
        })
    }
    // The second time the same output is asked for counts too.
    #expect(throws: ScoringError.answerTooLarge(byteCount: 192_000, limit: 96_000)) {
      try InferenceAnswer.arranged(
        [output], as: [asked, asked], binaryByDefault: false, hasRows: true, maxBytes: 96_000)
    }
  }

  @Test func `the clock is looked at while texts are made`() throws {
    // One row: the ranks alone are looked through in one stride.
    let scores = Tensor((0..<8000).map { Float($0) }, shape: Shape(1, 8000))
    var looks = 0
    _ = try Classification.best(8000, of: scores, hasRows: true) {
      looks += 1
      return false
    }
    #expect(looks >= 7, "\(looks)")
  }
}

/// Numbers that are the same in every run.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return mixedBits(state)
  }
}
