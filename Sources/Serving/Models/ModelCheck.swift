package import Documents
internal import Executors
internal import ONNX
internal import Tensors

/// What a model is, and whether it is run here: `swerve model check`.
///
/// Unlike loading it does not end at the first fault: every operator that is missing is named,
/// with the number of nodes that ask for it.
package struct ModelCheck: Sendable {
  /// `xgboost-json`, `xgboost-ubj`, `lightgbm-text`, `onnx`; `mlflow` for a folder whose model is
  /// none of these; or `unknown`.
  package private(set) var format = "unknown"
  /// What wrote the file, as far as it says.
  package private(set) var producer: String?
  package private(set) var summary: String?
  package private(set) var inputs: [DocumentValue] = []
  package private(set) var outputs: [DocumentValue] = []
  /// Why it is not run; empty when it is.
  package private(set) var problems: [String] = []

  /// What its user should know though it is run.
  package private(set) var notes: [String] = []

  package var isRun: Bool { problems.isEmpty }

  package init(path: String, type: String = "custom_model", properties: [String: String] = [:]) {
    if FileKind(path: path + "/MLmodel") == .file { format = "mlflow" }
    do {
      let file = try ModelArtifact(path: path, type: type).file
      describe(file)
      let model = try ModelLoader.load(path: path, type: type, properties: properties)
      format = model.format
      summary = model.executor.summary
      if case .object(let members) = model.inspection {
        if case .array(let found)? = members["inputs"] { inputs = found }
        if case .array(let found)? = members["outputs"] { outputs = found }
      }
      problems = []
      notes = model.executor.batchDependentNodes.map { "rows are not independent: \($0)" }
      if let reason = JoinRule.reason(
        model.signature, batchDependentNodes: model.executor.batchDependentNodes)
      {
        // The notes above are the reason, where there are any.
        notes.append(
          "requests are never joined into batches" + (notes.isEmpty ? ": \(reason)" : ""))
      }
      notes += model.signature.inputs.flatMap(ModelCheck.categoryNotes)
    } catch {
      // Missing operators have been named, all of them; loading ends at the first.
      let isKnown = error.description.hasPrefix("ONNX: operator ") && !problems.isEmpty
      if !isKnown { problems.append(error.description) }
    }
  }

  /// As JSON.
  package var document: DocumentValue {
    var object = DocumentObject([
      "format": .string(format),
      "runs": .bool(isRun),
    ])
    if let producer { object["producer"] = .string(producer) }
    if let summary { object["summary"] = .string(summary) }
    object["inputs"] = .array(inputs)
    object["outputs"] = .array(outputs)
    object["problems"] = .array(problems.map { .string($0) })
    if !notes.isEmpty { object["notes"] = .array(notes.map { .string($0) }) }
    return .object(object)
  }

  /// As lines for a person.
  package var text: String {
    var lines = ["format    \(format)"]
    if let producer { lines.append("producer  \(producer)") }
    if let summary { lines.append("model     \(summary)") }
    lines += inputs.map { "input     \(ModelCheck.line($0))" }
    lines += outputs.map { "output    \(ModelCheck.line($0))" }
    lines.append(isRun ? "runs      yes" : "runs      no")
    lines += problems.map { "problem   \($0)" }
    lines += notes.map { "note      \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func line(_ value: DocumentValue) -> String {
    guard case .object(let object) = value else { return "" }
    func text(_ name: String) -> String? {
      if case .string(let text)? = object[name] { return text }
      return nil
    }
    var line = "\(text("name") ?? "?"): \(text("datatype") ?? "?")"
    if case .array(let dimensions)? = object["shape"] {
      let sizes = dimensions.map { size in
        if case .integer(let number) = size { return String(number) }
        return "?"
      }
      line += " [\(sizes.joined(separator: ", "))]"
    }
    if let keys = text("keys"), let values = text("values") { line += " \(keys) to \(values)" }
    if object["default"] == .bool(false) { line += ", by name" }
    if object["required"] == .bool(false) { line += ", may be left out" }
    return line
  }

  /// What can be said of a file before it is loaded, and even when it cannot be.
  private mutating func describe(_ path: String) {
    // What is wrong with it, the load that follows says.
    guard let file = try? ModelFile(path: path) else { return }
    switch ModelFormat.detect(file) {
    case .xgboostJSON:
      format = "xgboost-json"
      producer = ProducerVersion.xgboost(file).map { "xgboost \($0)" }
    case .xgboostUBJSON:
      format = "xgboost-ubj"
      producer = ProducerVersion.xgboost(file).map { "xgboost \($0)" }
    case .xgboostBinary: format = "xgboost-binary"
    case .lightGBMText:
      format = "lightgbm-text"
      producer = ProducerVersion.lightGBM(file).map { "lightgbm, text \($0)" }
    case .onnx:
      format = "onnx"
      if let inspection = try? ONNXInspection(path: path) { describe(inspection) }
    case .unknown: break
    }
  }

  private mutating func describe(_ inspection: ONNXInspection) {
    let opsets = inspection.opsets.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
    let name = [inspection.producer, inspection.producerVersion].filter { !$0.isEmpty }
    producer =
      (name.isEmpty ? "unknown" : name.joined(separator: " "))
      + ", IR \(inspection.irVersion), opsets \(opsets.joined(separator: ", "))"
    let count = inspection.nodeCount
    summary = "ONNX, \(count) node\(count == 1 ? "" : "s")"
    inputs = inspection.inputs.map(ModelCheck.description)
    outputs = inspection.outputs.map(ModelCheck.description)
    problems = inspection.missing.map {
      "operator \($0.name) (\($0.nodeCount) \($0.nodeCount == 1 ? "node" : "nodes")): \($0.reason)"
    }
  }

  /// Columns whose categories a request may not name.
  private static func categoryNotes(of input: ModelInput) -> [String] {
    input.categories.sorted { $0.key < $1.key }.compactMap { column, categories in
      guard let problem = categories.problem else { return nil }
      let name = input.columns.map { "'\($0[column])'" } ?? "\(column)"
      return "column \(name) takes codes and no names: \(problem)"
    }
  }

  private static func description(of value: ONNXInspection.Value) -> DocumentValue {
    var object = DocumentObject([
      "name": .string(value.name),
      "datatype": .string(value.elementType?.wireName ?? value.typeName),
    ])
    if let shape = value.shape {
      object["shape"] = .array(shape.map { .integer(Int64($0 ?? -1)) })
    }
    return .object(object)
  }
}

/// The version of the library that wrote a file, where the file says it without being read.
private enum ProducerVersion {
  /// The last member of an XGBoost file: `"version":[3,2,0]`, or the same in UBJSON.
  static func xgboost(_ file: ModelFile) -> String? {
    let tail = file.bytes.withUnsafeBytes { Array($0.suffix(64)) }
    let word = Array("version".utf8)
    guard let found = tail.firstRange(of: word) else { return nil }
    var rest = tail[found.upperBound...]
    if rest.first == UInt8(ascii: "\"") {
      guard let open = rest.firstIndex(of: UInt8(ascii: "[")),
        let close = rest.firstIndex(of: UInt8(ascii: "]")), open < close
      else { return nil }
      let numbers = String(decoding: rest[(open + 1)..<close], as: UTF8.self)
      return numbers.filter { $0 != " " }.replacing(",", with: ".")
    }
    // `[`, `#` and a count, then a marker and one byte for each number.
    guard rest.popFirst() == UInt8(ascii: "[") else { return nil }
    if rest.first == UInt8(ascii: "#") { rest = rest.dropFirst(1 + 1 + 8) }
    var numbers: [String] = []
    while numbers.count < 3, let marker = rest.popFirst(), let number = rest.popFirst(),
      marker == UInt8(ascii: "i") || marker == UInt8(ascii: "U")
    {
      numbers.append(String(number))
    }
    return numbers.count == 3 ? numbers.joined(separator: ".") : nil
  }

  /// The line `version=v4`.
  static func lightGBM(_ file: ModelFile) -> String? {
    let head = file.bytes.withUnsafeBytes { String(decoding: $0.prefix(256), as: UTF8.self) }
    return head.split(whereSeparator: \.isNewline)
      .first { $0.hasPrefix("version=") }.map { String($0.dropFirst("version=".count)) }
  }
}
