package import Documents
package import Executors
internal import ONNX

/// A model in memory, ready to score.
package struct LoadedModel: Sendable {
  package var executor: any ModelExecutor
  /// The executor's, with the columns that the package names.
  package var signature: ModelSignature
  /// `xgboost-json`, `xgboost-ubj`, `lightgbm-text`, `onnx`.
  package var format: String
  /// Indices into the signature's outputs that a `/score` answer carries.
  package var defaultOutputs: [Int]
  package var answerShape = AnswerShape.plain
  /// What `model show` prints: `{"format", "summary", "inputs": […], "outputs": […]}`.
  package var inspection: DocumentValue

  package init(executor: any ModelExecutor, format: String) {
    self.executor = executor
    signature = executor.signature
    self.format = format
    defaultOutputs = executor.signature.defaultOutputs
    inspection = inspect(executor, signature: executor.signature, format: format)
  }
}

/// Reads any model that we run. The one place that knows all formats.
package enum ModelLoader {
  /// - Parameters:
  ///   - path: A file, or a folder (an MLflow directory, or one that holds one model file).
  ///   - properties: The model's own; `swerve.columns` and `swerve.response.outputs` (JSON
  ///     texts) name columns and choose outputs.
  package static func load(
    path: String, type: String = "custom_model", properties: [String: String] = [:]
  ) throws(ModelFormatError) -> LoadedModel {
    let artifact = try ModelArtifact(path: path, type: type)
    var model = try read(artifact.file, rounds: artifact.mlflow?.rounds ?? .asSaved)
    if let mlflow = artifact.mlflow { try model.follow(mlflow) }
    if let columns = try ModelProperties.list(ModelProperties.columnsKey, in: properties) {
      guard model.nameColumns(columns) else {
        throw .malformed(
          format: model.format, at: ModelProperties.columnsKey,
          reason: "\(columns.count) columns are named; \(model.tableDescription)")
      }
    }
    if let outputs = try ModelProperties.list(ModelProperties.outputsKey, in: properties) {
      model.defaultOutputs = try model.outputs(named: outputs)
    }
    model.inspection = inspect(model.executor, signature: model.signature, format: model.format)
    return model
  }

  private static func read(
    _ path: String, rounds: TreeRounds
  ) throws(ModelFormatError) -> LoadedModel {
    let file = try ModelFile(path: path)
    switch ModelFormat.detect(file) {
    case .xgboostJSON:
      return LoadedModel(
        executor: try NativeModel.load(file, rounds: rounds), format: "xgboost-json")
    case .xgboostUBJSON:
      return LoadedModel(
        executor: try NativeModel.load(file, rounds: rounds), format: "xgboost-ubj")
    case .lightGBMText:
      return LoadedModel(executor: try NativeModel.load(file), format: "lightgbm-text")
    case .onnx:
      return LoadedModel(executor: try ONNXModel.load(path: path), format: "onnx")
    case .xgboostBinary:
      // Refuses, and says what to do instead.
      return LoadedModel(executor: try NativeModel.load(file), format: "xgboost-binary")
    case .unknown:
      throw ForeignFormat.refusal(bytes: file.bytes, path: file.path)
    }
  }
}

extension MLflowModel {
  /// Which rounds the class that MLflow loads predicts with.
  var rounds: TreeRounds {
    guard flavor == .xgboost else { return .asSaved }
    return modelClass.hasPrefix("xgboost.sklearn.") ? .best : .all
  }

  /// Whether `predict` of that class gives the number of a class, not its probability.
  var givesClass: Bool {
    flavor == .xgboost && modelClass.hasPrefix("xgboost.sklearn.")
      && modelClass.hasSuffix("Classifier")
  }
}

extension LoadedModel {
  /// Takes what an MLflow folder says beside the model file: names and types of columns, how
  /// answers look.
  fileprivate mutating func follow(_ mlflow: MLflowModel) throws(ModelFormatError) {
    if mlflow.givesClass {
      executor = ClassExecutor(executor)
      signature = executor.signature
    }
    if mlflow.flavor != .onnx, let floats = mlflow.signature.floats {
      executor = RoundingExecutor(executor, floats) ?? executor
    }
    // XGBoost refuses a frame whose columns are not the model's, in its order.
    if mlflow.flavor == .xgboost, let columns = mlflow.signature.columns,
      let own = signature.inputs.first?.columns, own != columns
    {
      throw .unsupported(
        format: "MLflow",
        what: "the signature's columns are \(columns.joined(separator: ", ")), the model's "
          + "\(own.joined(separator: ", ")): XGBoost takes only its own, in its order",
        advice: "log the model with a signature of the frame that it was trained on")
    }
    if let columns = mlflow.signature.columns, nameColumns(columns) {
      signature.inputs[0].columnRules = mlflow.signature.rules
      signature.inputs[0].optionalColumns = mlflow.signature.optional
    }
    signature.parameters = mlflow.signature.parameters
    if mlflow.flavor == .onnx {
      answerShape =
        mlflow.signature.isOfTensors
        ? .named : mlflow.signature.columns == nil ? .recordsForTables : .records
    }
  }

  /// Names the columns of the model's table: its one two-dimensional input.
  ///
  /// - Returns: False when the model has no table of that many columns.
  @discardableResult
  fileprivate mutating func nameColumns(_ columns: [String]) -> Bool {
    guard
      signature.inputs.count == 1, signature.inputs[0].shape.count == 2,
      signature.inputs[0].shape[1].map({ $0 == columns.count }) ?? true
    else { return false }
    signature.inputs[0].columns = columns
    return true
  }

  fileprivate var tableDescription: String {
    guard signature.inputs.count == 1 else {
      return "the model has \(signature.inputs.count) inputs, not one table"
    }
    return "the model takes \(shapeText(signature.inputs[0].shape))"
  }

  fileprivate func outputs(named names: [String]) throws(ModelFormatError) -> [Int] {
    var indices: [Int] = []
    for name in names {
      guard let index = signature.outputIndex(named: name) else {
        throw .malformed(
          format: format, at: ModelProperties.outputsKey,
          reason: "the model has no output '\(name)'; it has "
            + signature.outputs.map { "'\($0.name)'" }.joined(separator: ", "))
      }
      indices.append(index)
    }
    return indices
  }
}
