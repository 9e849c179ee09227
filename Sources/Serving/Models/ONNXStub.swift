internal import Executors

enum ONNXModel {
  static func load(path: String) throws(ModelFormatError) -> any ModelExecutor {
    throw .unsupported(format: "ONNX", what: "not merged", advice: "")
  }
}
