import Documents
import Executors
import Foundation
import Tensors
import TestFolders
import Testing

@testable import Serving

/// MLflow folders: what their signature asks of a body, and how their answers look.
struct MLflowTests {
  private let fixtures = packageRoot + "/Tests/ExecutorsTests/Fixtures"

  private func folder(
    model: String, named file: String, flavor: String, signature: String
  ) throws -> TemporaryFolder {
    let folder = TemporaryFolder(for: "models")
    try folder.copy(model, to: file)
    try folder.write(
      """
      flavors:
        \(flavor)
        python_function:
          loader_module: mlflow
      signature:
      \(signature)
      """, to: "MLmodel")
    return folder
  }

  /// Four columns of the iris model: one of each strictness.
  private func iris() throws -> LoadedModel {
    let folder = try folder(
      model: packageRoot + "/models/iris/1/model.onnx", named: "model.onnx",
      flavor: "onnx:\n    data: model.onnx",
      signature: """
          inputs: '[{"type": "double", "name": "w", "required": false},
            {"type": "long", "name": "x"}, {"type": "boolean", "name": "y"},
            {"type": "float", "name": "z"}]'
          params: '[{"name": "threshold", "default": 0.5, "shape": null, "type": "double"},
            {"name": "k", "default": 1, "shape": null, "type": "long"},
            {"name": "deep", "default": true, "shape": null, "type": "boolean"},
            {"name": "mode", "default": "a", "shape": null, "type": "string"},
            {"name": "steps", "default": [1.0], "shape": [-1], "type": "double"}]'
        """)
    return try ModelLoader.load(path: folder.path, type: "mlflow_model")
  }

  private func decode(_ body: String) throws -> Result<DecodedRequest, ScoringError> {
    let decoder = PayloadDecoder(try iris().signature)
    do {
      return .success(try decoder.decode(Array(body.utf8).span))
    } catch {
      return .failure(error)
    }
  }

  @Test func `columns come in any order, extra ones are passed over, null is missing`() throws {
    let request = try decode(
      #"{"dataframe_records": [{"y": true, "more": "text", "x": 3, "z": 2, "w": null}]}"#
    ).get()
    let tensor = try #require(request.inputs[0])
    let values = tensor.values(as: Float.self)
    #expect(values[0].isNaN)
    #expect([values[1], values[2], values[3]] == [3, 1, 2])
    #expect(request.isFrame)
  }

  @Test(arguments: [
    (#"{"w": 1, "x": 1.5, "y": true, "z": 1}"#, "an integer of 64 bits"),
    (#"{"w": 1, "x": null, "y": true, "z": 1}"#, "no missing values"),
    (#"{"w": 1, "x": 1, "y": 2, "z": 1}"#, "true or false"),
    (#"{"w": "high", "x": 1, "y": true, "z": 1}"#, "a number"),
    (#"{"w": 1, "x": 1, "z": 1}"#, "'y'"),
  ])
  func `what the signature's types cannot take is refused`(
    record: String, reason: String
  ) throws {
    guard
      case .failure(.badInput(let sentence)) = try decode("{\"dataframe_records\": [\(record)]}")
    else {
      Issue.record("\(record) was taken")
      return
    }
    #expect(sentence.contains(reason), "\(sentence)")
  }

  @Test func `rows without names do not fit a signature of names`() throws {
    for body in [#"{"inputs": [[1, 2, 1, 4]]}"#, #"{"dataframe_split": {"data": [[1, 2, 1, 4]]}}"#]
    {
      guard case .failure(.badInput(let sentence)) = try decode(body) else {
        Issue.record("\(body) was taken")
        continue
      }
      #expect(sentence.contains("no column names") && sentence.contains("'w'"), "\(sentence)")
    }
  }

  @Test func `parameters of the signature are taken, others passed over and told`() throws {
    let rows = #""inputs": {"w": [1], "x": [2], "y": [true], "z": [4]}"#
    let known = try decode("{\(rows), \"params\": {\"threshold\": 0.7}}").get()
    #expect(known.ignoredParameters.isEmpty)
    #expect(throws: Never.self) { try decode("{\"params\": null, \(rows)}").get() }
    let unknown = try decode("{\(rows), \"params\": {\"t\": [1], \"threshold\": 1}}").get()
    #expect(unknown.ignoredParameters == ["t"])
  }

  @Test(arguments: [
    ("threshold", "1", true), ("threshold", "1.5", true), ("threshold", "null", true),
    ("threshold", "NaN", true), ("threshold", "\"x\"", false), ("threshold", "true", false),
    ("threshold", "[1]", false), ("k", "-3", true), ("k", "123456789012345678901234567890", true),
    ("k", "1.0", false), ("k", "1e3", false), ("k", "\"1\"", false), ("deep", "false", true),
    ("deep", "1", false), ("mode", "\"b\"", true), ("mode", "1", false), ("mode", "{}", false),
    ("steps", "[]", true), ("steps", "[1, 2.5, null]", true), ("steps", "[\"a\"]", false),
    ("steps", "1", false), ("steps", "null", false), ("steps", "[[1]]", false),
  ])
  func `a parameter must be of its type, as in MLflow`(
    name: String, value: String, isTaken: Bool
  ) throws {
    let rows = #""inputs": {"w": [1], "x": [2], "y": [true], "z": [4]}"#
    let body = "{\"params\": {\"\(name)\": \(value)}, \(rows)}"
    let decoder = PayloadDecoder(try iris().signature)
    do {
      _ = try decoder.decodeInvocations(Array(body.utf8).span)
      #expect(isTaken, "\(body)")
    } catch {
      #expect(!isTaken, "\(body): \(error)")
      let sentence = error.inputSentence ?? ""
      #expect(
        sentence.contains("Invalid parameters found") && sentence.contains(name), "\(sentence)")
    }
  }

  @Test func `parameters must be an object where the signature has any`() throws {
    let rows = #""inputs": {"w": [1], "x": [2], "y": [true], "z": [4]}"#
    #expect(throws: ScoringError.self) { try decode("{\"params\": [1], \(rows)}").get() }
    var signature = try iris().signature
    signature.parameters = []
    let decoder = PayloadDecoder(signature)
    let body = Array("{\"params\": [1], \(rows)}".utf8)
    #expect(throws: Never.self) { try decoder.decode(body.span) }
  }

  @Test(arguments: [
    #"{"dataframe_records": [{"x": 3, "y": true, "z": 2}, {"z": 2, "y": true, "x": 3}]}"#,
    #"{"dataframe_split": {"columns": ["z", "y", "x"], "data": [[2, 1, 3], [2, 1, 3]]}}"#,
    #"{"inputs": {"x": [3, 3], "y": [true, true], "z": [2, 2]}}"#,
    "csv: z,x,y\r\n2,3,True\r\n2.0,3,1\r\n",
  ])
  func `a column that is not required may be missing`(body: String) throws {
    let decoder = PayloadDecoder(try iris().signature)
    let request =
      body.hasPrefix("csv: ")
      ? try decoder.decodeCSV(Array(body.utf8.dropFirst(5)).span)
      : try decoder.decode(Array(body.utf8).span)
    let tensor = try #require(request.inputs[0])
    #expect(tensor.shape == Shape(2, 4))
    let values = tensor.values(as: Float.self)
    for row in 0..<2 {
      #expect(values[row * 4].isNaN)
      #expect((1..<4).map { values[row * 4 + $0] } == [3, 1, 2])
    }
  }

  @Test func `an ONNX model answers a table with records, tensors by name`() throws {
    let values: [ModelValue] = [
      .tensor(Tensor([Int64(1), 2], shape: Shape(2))),
      .tensor(Tensor([Float(0.5), 0.25], shape: Shape(2, 1))),
    ]
    func text(isFrame: Bool) -> String {
      var writer = JSONWriter()
      ScoringAnswer.writePredictions(
        values, names: ["label", "score"], .recordsForTables, isFrame: isFrame, to: &writer)
      return String(decoding: writer.bytes, as: UTF8.self)
    }
    #expect(
      text(isFrame: true)
        == #"{"predictions": [{"label":1,"score":0.5},{"label":2,"score":0.25}]}"#)
    #expect(text(isFrame: false) == #"{"predictions": {"label":[1,2],"score":[[0.5],[0.25]]}}"#)
  }

  @Test(arguments: [
    ("xgboost.sklearn.XGBClassifier", ElementType.int64), ("xgboost.core.Booster", .float32),
    ("xgboost.sklearn.XGBRegressor", .float32),
  ])
  func `a classifier's wrapper gives classes, a booster scores`(
    modelClass: String, type: ElementType
  ) throws {
    for fixture in ["xgb_binary.json", "xgb_softprob.ubj"] {
      let file = fixture.hasSuffix("json") ? "model.json" : "model.ubj"
      let folder = try folder(
        model: fixtures + "/" + fixture, named: file,
        flavor: "xgboost:\n    data: \(file)\n    model_class: \(modelClass)",
        signature: "  outputs: null")
      let model = try ModelLoader.load(path: folder.path, type: "mlflow_model")
      let width = try #require(model.signature.inputs[0].shape[1])
      let rows = Tensor([Float](repeating: 0.5, count: 2 * width), shape: Shape(2, width))
      let values = try model.executor.predict(
        [rows], outputs: [0], scratch: model.executor.makeScratch())
      guard case .tensor(let tensor) = values[0] else {
        Issue.record("no tensor")
        continue
      }
      #expect(tensor.elementType == type)
      if type == .int64 { #expect(tensor.shape == Shape(2)) }
    }
  }

  private func xgboost(
    _ fixture: String, _ modelClass: String, signature: String = "  outputs: null"
  ) throws -> LoadedModel {
    let file = fixture.hasSuffix("json") ? "model.json" : "model.ubj"
    let folder = try folder(
      model: fixtures + "/" + fixture, named: file,
      flavor: "xgboost:\n    data: \(file)\n    model_class: \(modelClass)", signature: signature)
    return try ModelLoader.load(path: folder.path, type: "mlflow_model")
  }

  private func array(_ name: String) throws -> Tensor {
    try NPYFormat.read(Array(Data(contentsOf: URL(fileURLWithPath: "\(fixtures)/\(name).npy"))))
  }

  private func prediction(_ model: LoadedModel, _ rows: Tensor) throws -> Tensor {
    let values = try model.executor.predict(
      [rows], outputs: [0], scratch: model.executor.makeScratch())
    guard case .tensor(let tensor) = values[0] else { throw ExecutorError.deadlinePassed }
    return tensor
  }

  @Test(arguments: [
    "xgb_softmax.json", "xgb_softprob.ubj", "xgb_constant_labels.json", "xgb_binary.json",
  ])
  func `classes are those of XGBClassifier`(fixture: String) throws {
    let name = String(fixture.split(separator: ".")[0])
    let model = try xgboost(fixture, "xgboost.sklearn.XGBClassifier")
    let given = try array(name + ".predict")
    let classes = try prediction(model, try array(name + ".X"))
    let values = given.values(as: Float.self)
    let rows = given.rowCount
    let width = values.count / rows
    // What `XGBClassifier.predict` does with the booster's own answers.
    let expected: [Int64] =
      switch name {
      case "xgb_softmax": values.indices.map { Int64(values[$0]) }
      case "xgb_softprob":
        (0..<rows).map { row in
          Int64((0..<width).max { values[row * width + $0] < values[row * width + $1] } ?? 0)
        }
      default: values.indices.map { values[$0] > 0.5 ? 1 : 0 }
      }
    let found = classes.values(as: Int64.self)
    #expect(found.indices.map { found[$0] } == expected)
    #expect(Set(expected).count > 1)
    #expect(classes.shape == (name == "xgb_constant_labels" ? given.shape : Shape(rows)))
    #expect(
      model.signature.outputs[0].kind
        == .tensor(.int64, shape: name == "xgb_constant_labels" ? [nil, 3] : [nil]))
  }

  @Test func `DART behind the wrapper adds up as the wrapper does`() throws {
    let rows = try array("xgb_wrapped_dart.X")
    func bits(_ tensor: Tensor) -> [UInt32] {
      let values = tensor.values(as: Float.self)
      return values.indices.map { values[$0].bitPattern }
    }
    let wrapped = bits(try array("xgb_wrapped_dart.wrapped"))
    let plain = bits(try array("xgb_wrapped_dart.predict"))
    func answer(_ modelClass: String) throws -> [UInt32] {
      bits(try prediction(try xgboost("xgb_wrapped_dart.json", modelClass), rows))
    }
    #expect(wrapped != plain)
    #expect(try answer("xgboost.sklearn.XGBRegressor") == wrapped)
    #expect(try answer("xgboost.core.Booster") == plain)
  }

  @Test func `columns that XGBoost would refuse are refused`() throws {
    func signature(_ names: [String]) -> String {
      let columns = names.map { "{\"type\": \"double\", \"name\": \"\($0)\"}" }
      return "  inputs: '[\(columns.joined(separator: ", "))]'"
    }
    let names = ["weight", "colour", "price", "height"]
    _ = try xgboost("xgb_frame.json", "xgboost.core.Booster", signature: signature(names))
    for wrong in [Array(names.reversed()), ["a", "b", "c", "d"]] {
      let error = #expect(throws: ModelFormatError.self) {
        try xgboost("xgb_frame.json", "xgboost.core.Booster", signature: signature(wrong))
      }
      #expect(error?.description.contains("takes only its own, in its order") == true)
    }
  }

  @Test(arguments: ["float", "double", "tensor"])
  func `what a signature says is float32 is rounded to that`(type: String) throws {
    let rows = try array("lgb_linear.X")
    let width = rows.shape[1]
    let inputs =
      type == "tensor"
      ? "{\"type\": \"tensor\", \"tensor-spec\": {\"dtype\": \"float32\", \"shape\": [-1, \(width)]}}"
      : (0..<width).map { "{\"type\": \"\(type)\", \"name\": \"Column_\($0)\"}" }
        .joined(separator: ", ")
    let folder = try folder(
      model: fixtures + "/lgb_linear.txt", named: "model.lgb",
      flavor: "lightgbm:\n    data: model.lgb",
      signature: "  inputs: '[\(inputs)]'")
    let model = try ModelLoader.load(path: folder.path, type: "mlflow_model")
    let plain = try ModelLoader.load(path: fixtures + "/lgb_linear.txt")
    let cells = rows.values(as: Double.self)
    // No number of these is a float.
    let exact = cells.indices.map { cells[$0] + 1e-12 }
    let rounded = exact.map { Double(Float($0)) }
    let expected = try prediction(
      plain, Tensor(type == "double" ? exact : rounded, shape: rows.shape))
    let other = try prediction(
      plain, Tensor(type == "double" ? rounded : exact, shape: rows.shape))
    let found = try prediction(model, Tensor(exact, shape: rows.shape))
    func bits(_ tensor: Tensor) -> [UInt64] {
      let values = tensor.values(as: Double.self)
      return values.indices.map { values[$0].bitPattern }
    }
    #expect(bits(found) == bits(expected) && bits(found) != bits(other))
  }
}
