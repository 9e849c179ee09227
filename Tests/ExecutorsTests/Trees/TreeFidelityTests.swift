import Executors
import Glibc
import Tensors
import Testing

/// Answers of the libraries themselves, bit for bit.
@Suite struct TreeFidelityTests {
  /// Every model in the folder: each objective, booster and writing version has one.
  static let fixtures = Fixtures.models
  static let packages = [
    "breast-cancer/1/model.json", "breast-cancer/2/model.json", "diabetes/1/model.txt",
  ]
  static let corpus = [
    "xgboost_binary/model.json", "xgboost_softprob/model.ubj", "xgboost_poisson_dart/model.json",
    "xgboost_categorical/model.json", "lightgbm_binary/model.txt",
    "lightgbm_multiclass/model.txt", "lightgbm_categorical/model.txt",
    "lightgbm_forest_tweedie/model.txt",
  ]

  @Test func `every family of models has a fixture`() {
    for part in [
      "xgb_linear", "xgb_vector", "xgb_frame", "xgb_1_0_2", "xgb_1_4_2", "xgb_1_7_6", "xgb_2_1_4",
      "xgb_3_0_5", "xgb_3_1_2", "lgb_2_2_3", "lgb_3_3_5", "lgb_linear", "lgb_frame",
    ] { #expect(Self.fixtures.contains { $0.hasPrefix(part) }, "\(part)") }
    #expect(Self.fixtures.count > 140)
  }

  @Test(arguments: fixtures)
  func `a small model answers as its library does`(file: String) throws {
    let name = file.split(separator: ".")[0]
    let isLinear = file.hasPrefix("xgb") && name.contains("linear")
    try compare(
      model: "\(Fixtures.folder)/\(file)", prefix: "\(Fixtures.folder)/\(name)",
      outputs: isLinear
        ? ["predict": "predict", "margin": "margin"]
        : ["predict": "predict", "margin": "margin", "leaf": "leaf"])
  }

  /// `Fixtures/campaign.py` makes random models by the hundred; they are not kept.
  @Test func `a campaign of random models answers as their libraries do`() throws {
    guard let folder = getenv("SWERVE_CAMPAIGN").map({ String(cString: $0) }) else { return }
    let models = Fixtures.models(in: folder)
    for file in models {
      let prefix = "\(folder)/\(file.split(separator: ".")[0])"
      let outputs = ["predict", "margin", "leaf"].filter {
        access("\(prefix).\($0).npy", R_OK) == 0
      }
      try compare(
        model: "\(folder)/\(file)", prefix: prefix,
        outputs: Dictionary(uniqueKeysWithValues: outputs.map { ($0, $0) }))
    }
    print("\(models.count) models of the campaign compared")
    #expect(!models.isEmpty)
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
      #expect(wholeBits == bits(expected), "\(output) of \(path)")
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
