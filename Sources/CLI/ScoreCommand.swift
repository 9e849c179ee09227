import ArgumentParser
import Documents
import Executors
import Registry
import Serving
import Tensors

struct ScoreCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "score",
    abstract: "Score with a model file or folder, without a server.",
    discussion: """
      --request takes any body that /score or the Open Inference Protocol takes and answers in \
      kind. --input takes tensors instead: .npy files, or .json for nested lists (strings). \
      --format reads rows from standard input and writes a line for each to standard output: \
      swerve score --model model.json --format csv < rows.csv > predictions.csv. \
      XGBoost and LightGBM models have the input X, the output predict, and by name margin and \
      leaf.
      """)

  @Option(help: "A model file, an MLflow folder, or a package folder with a model.yml.")
  var model: String
  @Option(help: "A request's body; - is standard input.") var request: String?
  @Option(help: "[NAME=]FILE.npy or [NAME=]FILE.json. Repeatable.") var input: [String] = []
  @Option(help: "An output by name. Repeatable. Default: all usual ones.") var output: [String] = []
  @Option(help: "Write NAME.npy (.json for strings) for each output into this folder.")
  var outputDir: String?
  @OptionGroup var stream: StreamOptions

  func run() throws {
    if stream.format != nil {
      guard request == nil, input.isEmpty, outputDir == nil else {
        throw ValidationError("--format reads standard input: give no --request, no --input")
      }
      let loaded = try load()
      let names = output.isEmpty ? nil : output
      return try stream.run(
        loaded, outputs: try indices(names, loaded, usual: loaded.defaultOutputs))
    }
    guard (request == nil) != input.isEmpty else {
      throw ValidationError("give one of --request, --input and --format")
    }
    let loaded = try load()
    if let request {
      StandardOutput.write(try answer(try LocalFile.read(request), loaded))
      StandardOutput.write("\n")
      return
    }
    let names = output.isEmpty ? nil : output
    let outputs = try indices(names, loaded, usual: loaded.signature.defaultOutputs)
    let values = try predict(try ScoreInputs.read(input, for: loaded), outputs, loaded)
    let outputNames = outputs.map { loaded.signature.outputs[$0].name }
    if let outputDir {
      try LocalFile.makeFolder(outputDir)
      for (name, value) in zip(outputNames, values) {
        try ScoreOutputs.write(value, name: name, to: outputDir)
      }
    } else {
      var writer = JSONWriter()
      ScoringAnswer.write(values, names: outputNames, to: &writer)
      StandardOutput.write(writer.bytes)
      StandardOutput.write("\n")
    }
  }

  /// A package folder brings its own settings: column names, outputs.
  private func load() throws(CommandFailure) -> LoadedModel {
    let path = LocalFile.absolute(model)
    do {
      if LocalFile.exists(path + "/model.yml") {
        let text = try LocalFile.readText(path + "/model.yml")
        let document = Document(
          try YAMLReader.read(text, source: path + "/model.yml"), source: path + "/model.yml")
        let registration = try ModelYAML.registration(document, file: path + "/model.yml")
        return try ModelLoader.load(
          path: registration.path, type: registration.type, properties: registration.properties)
      }
      return try ModelLoader.load(path: path)
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  private func answer(_ body: [UInt8], _ loaded: LoadedModel) throws(CommandFailure) -> [UInt8] {
    let decoded: DecodedRequest
    do {
      decoded = try PayloadDecoder(loaded.signature).decode(body.span)
    } catch {
      guard let sentence = error.inputSentence else { throw CommandFailure("\(error)") }
      throw CommandFailure("\(request ?? "-"): \(sentence)")
    }
    let asked = output.isEmpty ? decoded.outputs : output
    // The protocol's own rule: a request that names no output gets them all.
    let usual =
      decoded.form == .inferenceProtocol
      ? loaded.signature.outputs.indices.filter { loaded.signature.outputs[$0].isDefault }
      : loaded.defaultOutputs
    let outputs = try indices(asked, loaded, usual: usual)
    let values = try predict(decoded.inputs, outputs, loaded)
    let names = outputs.map { loaded.signature.outputs[$0].name }
    var writer = JSONWriter()
    switch decoded.form {
    case .azure:
      ScoringAnswer.write(
        values, names: names, loaded.answerShape, isFrame: decoded.isFrame, to: &writer)
    case .mlflow, .tensorFlow:
      ScoringAnswer.writePredictions(
        values, names: names, loaded.answerShape, isFrame: decoded.isFrame, to: &writer)
    case .inferenceProtocol:
      ScoringAnswer.writeInferenceProtocol(
        values, names: names, id: decoded.id, model: "model", version: "1", to: &writer)
    }
    return writer.bytes
  }

  private func indices(
    _ names: [String]?, _ loaded: LoadedModel, usual: [Int]
  ) throws(CommandFailure) -> [Int] {
    guard let names else { return usual }
    var indices: [Int] = []
    for name in names {
      guard let index = loaded.signature.outputIndex(named: name) else {
        let known = loaded.signature.outputs.map(\.name).joined(separator: ", ")
        throw CommandFailure("the model has no output '\(name)'; it has \(known)")
      }
      indices.append(index)
    }
    return indices
  }

  private func predict(
    _ inputs: [Tensor?], _ outputs: [Int], _ loaded: LoadedModel
  ) throws(CommandFailure) -> [ModelValue] {
    do {
      return try loaded.executor.predict(
        inputs, outputs: outputs, scratch: loaded.executor.makeScratch())
    } catch {
      throw CommandFailure("\(error)")
    }
  }
}
