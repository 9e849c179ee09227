import Documents
import Foundation
import HTTP
import Testing

/// `make corpus`: every model of the shared corpus through `swerve score` and over HTTP, a line
/// each with the worst difference.
@Suite(.serialized) struct CorpusCheckTests {
  /// Python code: there is nothing that could run it.
  static let refused = ["mlflow_python"]

  /// Models whose operators this tree does not have yet: refused by name, or right.
  static let mayBeRefused = [
    "torch_cnn", "torch_attention", "public_basic_pitch", "public_text_direction",
  ]

  @Test func `every corpus model answers as its library, by command and over HTTP`() throws {
    guard let corpus = SharedCorpus.manifest else {
      print("skipped: no corpus at \(SharedCorpus.folder)")
      #expect(ProcessInfo.processInfo.environment["CI"] != "true")
      return
    }
    var served: [SharedCorpus.Model] = []
    var passing = 0
    for model in corpus.models {
      let result = try byCommand(model)
      if result.refusal == nil { served.append(model) }
      report(model, "score", result)
      judge(model, result)
    }
    let gateway = try GatewayProcess(
      arguments: served.flatMap { ["--model", "\(Self.endpoint($0))=\($0.path)"] })
    for model in served {
      let result = try overHTTP(model, gateway)
      report(model, "HTTP", result)
      judge(model, result)
      if result.passes { passing += 1 }
    }
    print("corpus: \(passing) of \(corpus.models.count) models pass, \(Self.refused) refused")
    #expect(passing >= corpus.models.count - Self.refused.count - Self.mayBeRefused.count)
    #expect(gateway.terminate() == 0)
  }

  struct Outcome {
    var worst = 0.0
    var passes = true
    /// Why the model is not run.
    var refusal: String?

    mutating func add(_ got: Column, _ want: Column, rule: SharedCorpus.Rule?) {
      let found = got.difference(from: want, rule: rule)
      worst = max(worst, found.worst)
      passes = passes && found.passes
    }
  }

  private func judge(_ model: SharedCorpus.Model, _ outcome: Outcome) {
    if let refusal = outcome.refusal {
      let isExpected =
        Self.refused.contains(model.name) || Self.mayBeRefused.contains(model.name)
      #expect(isExpected, "\(model.name): \(refusal)")
      return
    }
    #expect(!Self.refused.contains(model.name), "\(model.name) is Python code")
    #expect(outcome.passes, "\(model.name): the worst difference is \(outcome.worst)")
    if model.isTree { #expect(outcome.worst == 0, "\(model.name) is a tree model") }
  }

  private func report(_ model: SharedCorpus.Model, _ way: String, _ outcome: Outcome) {
    let name = model.name.padding(toLength: 28, withPad: " ", startingAt: 0)
    let way = way.padding(toLength: 6, withPad: " ", startingAt: 0)
    if let refusal = outcome.refusal {
      print("corpus: \(name)\(way) refused: \(refusal.trimmingCharacters(in: .newlines))")
    } else {
      print(
        "corpus: \(name)\(way) \(outcome.passes ? "ok  " : "WRONG") worst difference "
          + (outcome.worst == 0 ? "0" : String(format: "%.3g", outcome.worst)))
    }
  }

  private static func endpoint(_ model: SharedCorpus.Model) -> String {
    model.name.replacingOccurrences(of: "_", with: "-")
  }

  /// What we call an output that the corpus names after the library's own word.
  private static func output(_ item: SharedCorpus.Item, of model: SharedCorpus.Model) -> String {
    if model.format == "lightgbm-text", item.name == "raw" { return "margin" }
    for suffix in [".keys", ".values"] where item.name.hasSuffix(suffix) {
      return String(item.name.dropLast(suffix.count))
    }
    return item.name
  }

  private func byCommand(_ model: SharedCorpus.Model) throws -> Outcome {
    var outcome = Outcome()
    if model.format == "mlflow" {
      for request in model.requests ?? [] {
        let result = try CommandResult.run(
          ["score", "--model", model.path, "--request", model.folder + "/" + request])
        guard result.status == 0 else {
          outcome.refusal = result.error
          return outcome
        }
        try addPredictions(Array(result.output.utf8), model, &outcome)
      }
      return outcome
    }
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    var names: [String] = []
    for name in model.outputs.map({ Self.output($0, of: model) }) where !names.contains(name) {
      names.append(name)
    }
    let result = try CommandResult.run(
      ["score", "--model", model.path]
        + model.inputs.flatMap { ["--input", "\($0.name)=\(model.folder)/\($0.file)"] }
        + names.flatMap { ["--output", $0] } + ["--output-dir", folder.path])
    guard result.status == 0 else {
      outcome.refusal = result.error
      return outcome
    }
    for item in model.outputs {
      let isKeys = item.name.hasSuffix(".keys")
      var file = isKeys || item.name.hasSuffix(".values") ? item.name : Self.output(item, of: model)
      file = String(file.map { $0 == "/" || $0 == ":" ? "_" : $0 })
      let path = folder.path + "/" + file + (item.dtype == "string" || isKeys ? ".json" : ".npy")
      outcome.add(
        try Column(contentsOf: path),
        try Column(contentsOf: model.folder + "/" + item.file), rule: item.compare)
    }
    return outcome
  }

  private func overHTTP(
    _ model: SharedCorpus.Model, _ gateway: GatewayProcess
  ) throws -> Outcome {
    var outcome = Outcome()
    let endpoint = Self.endpoint(model)
    let headers = [("Authorization", "Bearer \(try gateway.key(of: endpoint))")]
    if model.format == "mlflow" {
      for request in model.requests ?? [] {
        let body = try Data(contentsOf: URL(fileURLWithPath: model.folder + "/" + request))
        let response = try gateway.client().send(
          method: "POST", path: "/endpoints/\(endpoint)/invocations", headers: headers,
          body: Array(body))
        #expect(response.status == 200, "\(String(decoding: response.body, as: UTF8.self))")
        try addPredictions(response.body, model, &outcome)
      }
      return outcome
    }
    let inputs = try model.inputs.map { input in
      """
      {"name": "\(input.name)", "shape": \(input.shape), "datatype": "\(Self.wire(input.dtype))", \
      "data": \(try Column(contentsOf: model.folder + "/" + input.file).json)}
      """
    }
    let names = Set(model.outputs.map { "{\"name\": \"\(Self.output($0, of: model))\"}" })
    let body =
      "{\"inputs\": [\(inputs.joined(separator: ","))], "
      + "\"outputs\": [\(names.sorted().joined(separator: ","))]}"
    let response = try gateway.client().send(
      method: "POST", path: "/endpoints/\(endpoint)/score", headers: headers,
      body: Array(body.utf8))
    guard response.status == 200 else {
      Issue.record("\(model.name): \(String(decoding: response.body, as: UTF8.self))")
      outcome.passes = false
      return outcome
    }
    // Bare NaN and Infinity are no JSON for Foundation.
    guard case .object(let answer) = try JSONReader.read(response.body.span, source: "answer"),
      case .array(let outputs)? = answer["outputs"]
    else { throw GatewayProcess.StartFailure(description: "\(model.name): no outputs") }
    for item in model.outputs {
      let name =
        item.name.hasSuffix(".keys") || item.name.hasSuffix(".values")
        ? item.name : Self.output(item, of: model)
      guard
        let output = outputs.first(where: {
          if case .object(let object) = $0 { return object["name"] == .string(name) }
          return false
        }), case .object(let object) = output, case .array(let data)? = object["data"]
      else {
        Issue.record("\(model.name): output \(name) is not in the answer")
        continue
      }
      outcome.add(
        Self.column(data), try Column(contentsOf: model.folder + "/" + item.file),
        rule: item.compare)
    }
    return outcome
  }

  private static func column(_ data: [DocumentValue]) -> Column {
    var texts: [String] = []
    var numbers: [Double] = []
    for value in data {
      switch value {
      case .string(let text): texts.append(text)
      case .integer(let number): numbers.append(Double(number))
      case .double(let number): numbers.append(number)
      case .bool(let isTrue): numbers.append(isTrue ? 1 : 0)
      default: numbers.append(.nan)
      }
    }
    return texts.isEmpty ? .numbers(numbers) : .texts(texts)
  }

  private static func wire(_ dtype: String) -> String {
    [
      "float32": "FP32", "float64": "FP64", "int64": "INT64", "int32": "INT32",
      "string": "BYTES", "bool": "BOOL",
    ][dtype] ?? dtype
  }

  /// The answer's numbers against the columns that the library gave.
  private func addPredictions(
    _ body: [UInt8], _ model: SharedCorpus.Model, _ outcome: inout Outcome
  ) throws {
    guard
      let answer = try JSONSerialization.jsonObject(with: Data(body)) as? [String: Any],
      let predictions = answer["predictions"]
    else { throw GatewayProcess.StartFailure(description: "\(model.name): no predictions") }
    for item in model.outputs {
      outcome.add(
        Column(json: predictions), try Column(contentsOf: model.folder + "/" + item.file),
        rule: item.compare)
    }
  }
}
