/// Files that people take for models we run: each is refused by its name, with what to do.
package enum ForeignFormat {
  /// The error for a file that is none of ours.
  package static func refusal(bytes: RawSpan, path: String) -> ModelFormatError {
    if ModelFormat.detect(bytes: bytes, path: path) == .xgboostBinary {
      return .unsupported(
        format: "XGBoost", what: "the old binary format, which XGBoost removed in 3.1",
        advice: "load it with XGBoost 3.0 or older and save it again as model.json or model.ubj")
    }
    for known in known where known.begins.contains(where: { begins(bytes, with: $0) }) {
      return .unsupported(
        format: known.name, what: "\(path) \(known.what)", advice: known.advice)
    }
    return .unsupported(
      format: "model file", what: "\(path) is of no kind that can be served",
      advice: "XGBoost JSON or UBJSON, LightGBM text, ONNX, or an MLflow directory of these")
  }

  private static func begins(_ bytes: RawSpan, with start: [UInt8]) -> Bool {
    bytes.byteCount >= start.count && start.indices.allSatisfy { bytes.byte(at: $0) == start[$0] }
  }

  private static func text(_ starts: String...) -> [[UInt8]] { starts.map { Array($0.utf8) } }

  private struct Known: Sendable {
    var name: String
    var begins: [[UInt8]]
    var what: String
    var advice: String
  }

  private static let python = "is code that only Python can run"
  private static let convert =
    "convert the model to ONNX (scikit-learn: skl2onnx), or save an XGBoost or LightGBM model in "
    + "the library's own format"

  private static let known: [Known] = [
    Known(
      name: "Python pickle",
      // Protocols 2 to 5, with or without a frame; joblib's files begin so too.
      begins: [[0x80, 2], [0x80, 3], [0x80, 4], [0x80, 5]], what: python, advice: convert),
    Known(
      name: "CatBoost", begins: text("CBM1"), what: "is CatBoost's binary format",
      advice: "save it with save_model(…, format=\"onnx\")"),
    Known(
      name: "XGBoost dump",
      begins: text(
        "booster[0]", "0:[f", "0:leaf=", "[\n  { \"nodeid\"", "[{\"nodeid\""),
      what: "is a dump for people (dump_model), which XGBoost cannot load either",
      advice: "save the model with Booster.save_model(\"model.ubj\")"),
    Known(
      name: "zip archive", begins: [[0x50, 0x4B, 3, 4]],
      what: "is an archive: PyTorch, Keras, skops, NumPy and MOJO files are",
      advice: "export a PyTorch or Keras model to ONNX; convert a scikit-learn one with skl2onnx"),
    Known(
      name: "gzip", begins: [[0x1F, 0x8B]],
      what: "is compressed: joblib and R write such files",
      advice: "unpack it; a pickled or R model must be saved in its library's own format"),
    Known(
      name: "HDF5", begins: [[0x89, 0x48, 0x44, 0x46]], what: "is a Keras or pandas file",
      advice: "export the model to ONNX with tf2onnx"),
    Known(
      name: "TensorFlow Lite",
      begins: text("\u{1C}\0\0\0TFL3", "\u{18}\0\0\0TFL3", "\u{20}\0\0\0TFL3"),
      what: "is a TensorFlow Lite model", advice: "export the model to ONNX with tf2onnx"),
    Known(
      name: "PMML", begins: text("<?xml", "<PMML"), what: "is an XML document",
      advice: "export the model to ONNX, or save it in its library's own format"),
    Known(
      name: "GGUF", begins: text("GGUF"), what: "is a language model for llama.cpp",
      advice: "XGBoost, LightGBM and ONNX models are served"),
    Known(
      name: "Git LFS", begins: text("version https://git-lfs"),
      what: "is a pointer to a file in Git LFS, not the file",
      advice: "fetch it with 'git lfs pull'"),
  ]
}
