import Executors
import Tensors
import Testing

/// Answers of the libraries themselves, bit for bit.
@Suite struct TreeFidelityTests {
  static let fixtures = [
    "xgb_binary.json", "xgb_softprob.ubj", "xgb_softmax.json", "xgb_squarederror.ubj",
    "xgb_poisson.json", "xgb_tweedie.ubj", "xgb_hinge.json", "xgb_logitraw.ubj",
    "xgb_forest.ubj", "xgb_dart.ubj", "xgb_categorical.ubj", "lgb_binary.txt",
    "lgb_multiclass.txt", "lgb_ova.txt", "lgb_zero.txt", "lgb_none.txt", "lgb_sqrt.txt",
    "lgb_poisson.txt", "lgb_xentlambda.txt", "lgb_forest.txt", "lgb_categorical.txt",
  ]
  static let packages = [
    "breast-cancer/1/model.json", "breast-cancer/2/model.json", "diabetes/1/model.txt",
  ]
  static let corpus = [
    "xgboost_binary/model.json", "xgboost_softprob/model.ubj", "xgboost_poisson_dart/model.json",
    "xgboost_categorical/model.json", "lightgbm_binary/model.txt",
    "lightgbm_multiclass/model.txt", "lightgbm_categorical/model.txt",
    "lightgbm_forest_tweedie/model.txt",
  ]

  @Test(arguments: fixtures)
  func `a small model answers as its library does`(file: String) throws {
    let name = file.split(separator: ".")[0]
    try compare(
      model: "\(Fixtures.folder)/\(file)", prefix: "\(Fixtures.folder)/\(name)",
      outputs: ["predict": "predict", "margin": "margin", "leaf": "leaf"])
  }

  @Test(arguments: packages)
  func `a sample package answers as its library does`(file: String) throws {
    let parts = file.split(separator: "/")
    try compare(
      model: "\(Fixtures.packageRoot)/models/\(file)",
      prefix: "\(Fixtures.folder)/\(parts[0])-\(parts[1])",
      outputs: ["predict": "predict", "margin": "margin", "leaf": "leaf"])
  }

  @Test(arguments: corpus)
  func `a model of the corpus answers as its library does`(file: String) throws {
    guard let shared = try Fixtures.sharedFolder() else { return }
    let folder = "\(shared)/corpus/\(file.split(separator: "/")[0])"
    try compare(
      model: "\(shared)/corpus/\(file)", prefix: folder, input: "\(folder)/in.X.npy",
      outputs: [
        "predict": "/out.predict",
        "margin": file.hasPrefix("xgboost") ? "/out.margin" : "/out.raw",
      ])
  }

  /// All rows at once, then in blocks of 1, 7 and so on: the same bits each time.
  private func compare(
    model path: String, prefix: String, input: String? = nil, outputs: [String: String]
  ) throws {
    let model = try NativeModel.load(path: path)
    let features = try Fixtures.array(input ?? prefix + ".X.npy")
    let scratch = model.makeScratch()
    #expect(features.rowCount >= 20)
    for (output, file) in outputs {
      let separator = file.hasPrefix("/") ? "" : "."
      let expected = try Fixtures.array("\(prefix)\(separator)\(file).npy")
      let index = try #require(model.signature.outputIndex(named: output))
      let whole = try tensor(model.predict([features], outputs: [index], scratch: scratch)[0])
      #expect(whole.shape == expected.shape, "\(output)")
      #expect(whole.elementType == expected.elementType, "\(output)")
      let wholeBits = bits(whole)
      #expect(wholeBits == bits(expected), "\(output)")
      for size in [1, 7] {
        var parts: [UInt64] = []
        for start in stride(from: 0, to: features.rowCount, by: size) {
          let block = rows(features, start..<min(start + size, features.rowCount))
          parts += bits(try tensor(model.predict([block], outputs: [index], scratch: scratch)[0]))
        }
        #expect(parts == wholeBits, "\(output) in blocks of \(size)")
      }
    }
  }
}
