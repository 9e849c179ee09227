import Documents
import Foundation
import HTTP
import Testing

/// `make corpus`: every model of the shared corpus through `swerve score` and over HTTP, a line
/// each with the worst difference.
@Suite(.serialized) struct CorpusCheckTests {
  /// Python code: there is nothing that could run it.
  static let refused = ["mlflow_python"]

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
    let documents = try Self.documents(served)
    defer { try? FileManager.default.removeItem(at: documents) }
    let gateway = try GatewayProcess(arguments: ["--apply", documents.path])
    for model in served {
      let result = try overHTTP(model, gateway)
      report(model, "HTTP", result)
      judge(model, result)
      if result.passes { passing += 1 }
    }
    print("corpus: \(passing) of \(corpus.models.count) models pass, \(Self.refused) refused")
    #expect(passing == corpus.models.count - Self.refused.count)
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
      #expect(Self.refused.contains(model.name), "\(model.name): \(refusal)")
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

  /// An endpoint and a deployment for each; a debug build may take long for a big network.
  private static func documents(_ models: [SharedCorpus.Model]) throws -> URL {
    let folder = GatewayProcess.temporaryFolder()
    let schemas = "$schema: https://azuremlschemas.azureedge.net/latest/managedOnline"
    for model in models {
      let name = endpoint(model)
      try """
      \(schemas)Endpoint.schema.json
      name: \(name)
      auth_mode: key
      traffic:
        blue: 100

      """.write(
        to: folder.appendingPathComponent("\(name).yml"), atomically: true, encoding: .utf8)
      try """
      \(schemas)Deployment.schema.json
      name: blue
      endpoint_name: \(name)
      model:
        name: \(name)
        version: 1
        path: \(model.path)
        type: \(model.format == "mlflow" ? "mlflow_model" : "custom_model")
      request_settings:
        request_timeout_ms: 90000

      """.write(
        to: folder.appendingPathComponent("\(name)-blue.yml"), atomically: true, encoding: .utf8)
    }
    return folder
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
    var names: [String] = []
    for name in model.outputs.map({ Self.output($0, of: model) }) where !names.contains(name) {
      names.append(name)
    }
    let asked = names.map { "{\"name\": \"\($0)\"}" }.joined(separator: ",")
    let body = "{\"inputs\": [\(inputs.joined(separator: ","))], \"outputs\": [\(asked)]}"
    let response = try gateway.client().send(
      method: "POST", path: "/endpoints/\(endpoint)/score", headers: headers,
      body: Array(body.utf8))
    guard response.status == 200 else {
      Issue.record("\(model.name): \(String(decoding: response.body, as: UTF8.self))")
      outcome.passes = false
      return outcome
    }
    let answer = try JSONReader.read(response.body.span, source: "answer")
    for item in model.outputs {
      var value = answer
      // One output is answered bare.
      if names.count > 1, case .object(let object) = answer {
        value = object[Self.output(item, of: model)] ?? .null
      }
      outcome.add(
        Self.column(value, keys: item.name.hasSuffix(".keys")),
        try Column(contentsOf: model.folder + "/" + item.file), rule: item.compare)
    }
    return outcome
  }

  /// The leaves of an answer; of maps their values, or the keys of the first.
  private static func column(_ answer: DocumentValue, keys: Bool) -> Column {
    var leaves: [DocumentValue] = []
    func collect(_ value: DocumentValue) {
      switch value {
      case .array(let list): for element in list { collect(element) }
      case .object(let object):
        for member in object.members { collect(keys ? .string(member.key) : member.value) }
      default: leaves.append(value)
      }
    }
    if keys, case .array(let maps) = answer, let first = maps.first {
      collect(first)
    } else {
      collect(answer)
    }
    return column(leaves)
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
    guard case .object(let answer) = try JSONReader.read(body.span, source: "answer"),
      let predictions = answer["predictions"]
    else { throw GatewayProcess.StartFailure(description: "\(model.name): no predictions") }
    for item in model.outputs {
      outcome.add(
        Self.column(predictions, keys: false),
        try Column(contentsOf: model.folder + "/" + item.file),
        rule: item.compare)
    }
  }
}
