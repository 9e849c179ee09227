import Executors
import Tensors
import Testing

@testable import Serving

/// The quick reader takes a body only where it gives what the general one gives.
@Suite struct PlainTableTests {
  static let named = PayloadDecoder(PayloadDecoderTests.signature())
  static let nameless = PayloadDecoder(PayloadDecoderTests.signature(columns: nil))

  @Test(arguments: [
    #"{"data":[[1,2,3,4]]}"#, #" { "data" : [ [ 1 , -2.5 , 3e-3, 4 ] , [5,6,7,8] ] } "#,
    #"{"input_data":[[1,2,3,4],[5,6,7,8]]}"#, #"{"instances":[[0.1,0.2,0.3,1e39]]}"#,
    #"{"inputs":[[1,2,3,4]]}"#,
    #"{"input_data":{"columns":["a","b","c","d"],"index":[0,1],"data":[[1,2,3,4],[5,6,7,8]]}}"#,
    #"{"input_data":{"columns":["a","b","c","d"],"data":[[1,2,3,4]]}}"#,
    #"{"dataframe_split":{"columns":["a","b","c","d"],"index":[],"data":[[1,2,3,4]]}}"#,
  ])
  func `usual bodies are read as the general reader reads them`(text: String) throws {
    let body = Array(text.utf8)
    let plain = try #require(Self.named.plainTable)
    let expected = try Self.named.decode(body.span)
    var inputs: [Tensor?] = []
    let isFrame = plain.read(body.span, into: &inputs)
    #expect(isFrame == expected.isFrame)
    #expect(inputs.first??.shape == expected.inputs[0]?.shape)
    #expect(PayloadDecoderTests.floats(inputs[0]) == PayloadDecoderTests.floats(expected.inputs[0]))
  }

  @Test(arguments: [
    "", "{", "{}", "[]", #"{"data":[]}"#, #"{"data":[[]]}"#, #"{"data":[[1,2,3]]}"#,
    #"{"data":[[1,2,3,4,5]]}"#, #"{"data":[[1,2,3,null]]}"#, #"{"data":[[1,2,3,"4"]]}"#,
    #"{"data":[[1,2,3,4],]}"#, #"{"data":[[1,2,3,4]]} x"#, #"{"data":[[1,2,3,4]],"id":"7"}"#,
    #"{"data":[[1,2,3,4]"#, #"{"data":[[1,2,3,NaN]]}"#, #"{"data":[[1,2,3,01]]}"#,
    #"{"data":[{"a":1,"b":2,"c":3,"d":4}]}"#, #"{"outputs":["x"],"data":[[1,2,3,4]]}"#,
    #"{"dataframe_split":[[1,2,3,4]]}"#, #"{"dataframe_records":[[1,2,3,4]]}"#,
    #"{"data":{"columns":["a","b","c","d"],"data":[[1,2,3,4]]}}"#,
    #"{"input_data":{"columns":["b","a","c","d"],"data":[[1,2,3,4]]}}"#,
    #"{"input_data":{"columns":["a","b","c"],"data":[[1,2,3,4]]}}"#,
    #"{"input_data":{"columns":["a","b","c","d"],"index":["x"],"data":[[1,2,3,4]]}}"#,
    #"{"input_data":{"columns":["a","b","c","d"],"index":[0,],"data":[[1,2,3,4]]}}"#,
    #"{"input_data":{"index":[0],"columns":["a","b","c","d"],"data":[[1,2,3,4]]}}"#,
    #"{"d\u0061ta":[[1,2,3,4]]}"#, "{\"data\":[[1,2,3,4]]\u{0}}",
  ])
  func `whatever else comes is left to the general reader`(text: String) throws {
    let plain = try #require(Self.named.plainTable)
    var inputs: [Tensor?] = []
    #expect(plain.read(Array(text.utf8).span, into: &inputs) == nil)
  }

  @Test func `memory is used again, whatever came before`() throws {
    let plain = try #require(Self.nameless.plainTable)
    var inputs: [Tensor?] = []
    var identities: Set<ObjectIdentifier> = []
    for rows in [40, 1, 7, 40, 0, 3] {
      let list = (0..<rows).map { "[\($0),2,3,4]" }.joined(separator: ",")
      let taken = plain.read(Array("{\"data\":[\(list)]}".utf8).span, into: &inputs)
      guard rows > 0 else {
        #expect(taken == nil)
        continue
      }
      #expect(taken == false)
      let tensor = try #require(inputs[0])
      #expect(tensor.shape == Shape(rows, 4))
      #expect(
        PayloadDecoderTests.floats(tensor) == (0..<rows).flatMap { [Float($0), 2, 3, 4] })
      if rows == 40 || rows == 1 || rows == 7 { identities.insert(tensor.memoryIdentity) }
    }
    #expect(identities.count == 1)
  }

  @Test func `models that look closer at their values are not read so`() {
    #expect(PayloadDecoder(PayloadDecoderTests.signature(.int64)).plainTable == nil)
    let anyWidth = PayloadDecoderTests.signature(columns: nil, width: nil)
    #expect(PayloadDecoder(anyWidth).plainTable == nil)
    let tricky = ["a", "b", "columns", "d"]
    #expect(PayloadDecoder(PayloadDecoderTests.signature(columns: tricky)).plainTable == nil)
    var signature = PayloadDecoderTests.signature()
    signature.inputs[0].columnRules = [.number, .number, .boolean, .number]
    #expect(PayloadDecoder(signature).plainTable == nil)
  }

  @Test func `a line of a hundred thousand commas is no header`() {
    let error = #expect(throws: ScoringError.self) {
      try Self.nameless.decodeCSV([UInt8](repeating: UInt8(ascii: ","), count: 100_000).span)
    }
    guard case .badInput(let sentence)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(sentence.contains("there are more than 65540 columns"))
  }

  /// Every truncation and every changed byte: what the quick reader takes, both read alike.
  @Test func `mutants of a body are read alike or left`() throws {
    let plain = try #require(Self.named.plainTable)
    let seed = Array(
      #"{"input_data":{"columns":["a","b","c","d"],"index":[0],"data":[[1,2.5,-3e2,4]]}}"#.utf8)
    var taken = 0
    for index in seed.indices {
      for byte in Array("{}[]\",:0 -.e\\n\u{1}\u{7F}".utf8) + [0xFF] {
        var mutant = seed
        mutant[index] = byte
        var inputs: [Tensor?] = []
        guard let isFrame = plain.read(mutant.span, into: &inputs) else { continue }
        taken += 1
        let expected = try Self.named.decode(mutant.span)
        #expect(isFrame == expected.isFrame)
        #expect(
          PayloadDecoderTests.floats(inputs[0]) == PayloadDecoderTests.floats(expected.inputs[0]))
      }
      var inputs: [Tensor?] = []
      #expect(plain.read(Array(seed[..<index]).span, into: &inputs) == nil)
    }
    #expect(taken > 20)
  }
}
