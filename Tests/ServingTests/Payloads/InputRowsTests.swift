import Executors
import Tensors
import Testing

@testable import Serving

/// Inputs with different numbers of rows.
struct InputRowsTests {
  private static func signature(_ names: [[String?]], required: Bool = true) -> ModelSignature {
    ModelSignature(
      inputs: zip(["a", "b", "c"], names).map { name, dimensions in
        var input = ModelInput(
          name: name, elementType: .float32, shape: [nil, 2], isRequired: required)
        input.dimensionNames = dimensions
        return input
      }, outputs: [])
  }

  private static let shared = signature([["N"], ["N"], ["N"]])

  private static func rows(_ counts: [Int]) -> [String] {
    counts.map { "[" + [String](repeating: "[1,2]", count: $0).joined(separator: ",") + "]" }
  }

  /// The same tensors as named tensors and as an object of nested lists.
  private static func bodies(_ counts: [Int]) -> (named: String, object: String) {
    let data = Array(zip(["a", "b", "c"], zip(counts, rows(counts))))
    let named = data.map {
      #"{"name":"\#($0)","shape":[\#($1.0),2],"datatype":"FP32","data":\#($1.1)}"#
    }
    let object = data.map { #""\#($0)":\#($1.1)"# }
    return (
      "[" + named.joined(separator: ",") + "]", "{" + object.joined(separator: ",") + "}"
    )
  }

  private func sentence(_ read: () throws(ScoringError) -> DecodedRequest) -> String {
    do throws(ScoringError) {
      _ = try read()
      return "taken"
    } catch {
      return error.inputSentence ?? "\(error)"
    }
  }

  /// By protocol.
  private func sentences(_ counts: [Int], _ signature: ModelSignature) -> [String: String] {
    let decoder = PayloadDecoder(signature)
    let (named, object) = Self.bodies(counts)
    let call = InferenceCall(modelName: "m", version: nil, headerByteCount: nil)
    func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    return [
      "v2": sentence { () throws(ScoringError) in
        try decoder.decodeInference(bytes(#"{"inputs":\#(named)}"#).span, call)
      },
      "v2 body to /score": sentence { () throws(ScoringError) in
        try decoder.decode(bytes(#"{"inputs":\#(named)}"#).span)
      },
      "v1": sentence { () throws(ScoringError) in
        try decoder.decodePredict(bytes(#"{"inputs":\#(object)}"#).span)
      },
      "MLflow": sentence { () throws(ScoringError) in
        try decoder.decodeInvocations(bytes(#"{"inputs":\#(object)}"#).span)
      },
      "Azure": sentence { () throws(ScoringError) in
        try decoder.decode(bytes(#"{"input_data":\#(object)}"#).span)
      },
    ]
  }

  @Test func `inputs that share their rows by the model's word must have as many`() {
    for (form, text) in sentences([3, 2, 4], Self.shared) {
      for part in [
        "'b'", "2 rows; expected 3, as input 'a' has (the model calls both 'N')", "'c'", "4 rows",
      ] { #expect(text.contains(part), "\(form): \(text)") }
    }
    let v2 = sentences([3, 2, 3], Self.shared)["v2"] ?? ""
    #expect(
      v2
        == "[request id: <id_unknown>] input 'b' batch size does not match other inputs for 'm': it "
        + "has 2 rows; expected 3, as input 'a' has (the model calls both 'N') (at "
        + "$.inputs[1].shape, line 1, column 104)", "\(v2)")
    for (form, text) in sentences([2, 2, 2], Self.shared) {
      #expect(text == "taken", "\(form): \(text)")
    }
  }

  @Test(
    arguments: [[[], [], []], [["N"], ["M"], [nil, "N"]], [["N"], [], []]] as [[[String?]]])
  func `where the model says nothing of the kind any numbers go`(names: [[String?]]) {
    for (form, text) in sentences([3, 2, 4], Self.signature(names)) {
      #expect(text == "taken", "\(form): \(text)")
    }
  }

  @Test func `an input that is left out has no rows that could differ`() {
    let signature = Self.signature([["N"], ["N"], ["N"]], required: false)
    for (form, text) in sentences([2], signature) { #expect(text == "taken", "\(form): \(text)") }
  }

  @Test func `binary tensors too`() {
    let inputs = [("a", 2), ("b", 1), ("c", 2)].map { name, rows in
      #"{"name":"\#(name)","shape":[\#(rows),2],"datatype":"FP32","#
        + #""parameters":{"binary_data_size":\#(rows * 8)}}"#
    }
    let json = #"{"inputs":[\#(inputs.joined(separator: ","))]}"#
    let call = InferenceCall(modelName: "m", version: nil, headerByteCount: json.utf8.count)
    let body = Array(json.utf8) + [UInt8](repeating: 0, count: 40)
    let text = sentence { () throws(ScoringError) in
      try PayloadDecoder(Self.shared).decodeInference(body.span, call)
    }
    #expect(
      text.contains("input 'b' batch size does not match other inputs for 'm': it has 1 row;"))
  }

  @Test func `what a failed model may have failed with is told`() {
    func tensors(_ shapes: [Shape?]) -> [Tensor?] {
      shapes.map { $0.map { Tensor(.float32, shape: $0) } }
    }
    let nameless = Self.signature([[], [], []])
    #expect(nameless.disagreement(tensors([Shape(3, 2), Shape(3, 2), nil])) == nil)
    #expect(
      nameless.disagreement(tensors([Shape(3, 2), Shape(1, 2), Shape(4, 2)]))
        == "input 'b' has 1 row, input 'c' has 4 rows; expected 3, as input 'a' has")
    let named = Self.signature([["N", "seq"], ["N", "seq"], []])
    #expect(
      named.disagreement(tensors([Shape(3, 8), Shape(3, 9), nil]))
        == "dimension 1 of input 'b' is 9; expected 8, as in input 'a' (the model calls both 'seq')"
    )
  }
}
