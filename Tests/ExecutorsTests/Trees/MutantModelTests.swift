import Mutants
import Tensors
import Testing

@testable import Executors

/// What `MutantTrial` says, of the files of XGBoost and LightGBM.
@Suite struct MutantModelTests {
  @Test func `500 mutants of XGBoost JSON are refused or run within their memory`() async {
    await #expect(processExitsWith: .success) {
      try MutantModelTests.loadMutants(
        of: [
          "xgb_softmax.json", "xgb_vector_json.json", "xgb_linear_binary.json", "xgb_frame.json",
          "xgb_dart_classes.json", "xgb_1_0_2_dart.json", "xgb_onehot.json",
          "xgb_stopped.json", "xgb_1_7_6_onehot.json", "xgb_2_1_4_quantile.json",
        ], lengths: .digits, seed: 1)
    }
  }

  @Test func `500 mutants of XGBoost UBJSON are refused or run within their memory`() async {
    await #expect(processExitsWith: .success) {
      try MutantModelTests.loadMutants(
        of: [
          "xgb_softprob.ubj", "xgb_vector_ubj.ubj", "xgb_linear_softprob.ubj", "xgb_frame_ubj.ubj",
          "xgb_stopped_dart.ubj", "xgb_2_1_4_vector.ubj", "xgb_far_category.ubj",
          "xgb_quantile.ubj", "xgb_1_7_6_categorical.ubj", "xgb_categorical.ubj",
        ], lengths: .ubjson, seed: 2)
    }
  }

  @Test func `500 mutants of LightGBM text are refused or run within their memory`() async {
    await #expect(processExitsWith: .success) {
      try MutantModelTests.loadMutants(
        of: [
          "lgb_categorical.txt", "lgb_linear.txt", "lgb_frame.txt", "lgb_forest_classes.txt",
          "lgb_zero.txt", "lgb_2_2_3_categorical.txt", "lgb_linear_categories.txt",
          "lgb_3_3_5_linear.txt", "lgb_leaf_only.txt", "lgb_ova.txt",
        ], lengths: .digits, seed: 3)
    }
  }

  @Test func `a model of megabytes takes four times its file at most`() async {
    await #expect(processExitsWith: .success) {
      let file = try MutantModelTests.manyTrees(copies: 400)
      precondition(file.count > 2 << 20)
      let model = try MutantModelTests.trial(.digits).loadWithinLimit(file).get()
      precondition(model.summary.hasSuffix("2400 trees"))
    }
  }

  @Test func `a load that allocates more than its limit ends the process`() async {
    // What malloc holds free, which varies, is taken off the limit.
    await #expect(processExitsWith: .success) {
      _ = MutantModelTests.allocating(MutantTrial.maxAllocation(fileBytes: 1) / 4)
    }
    await #expect(processExitsWith: .failure) {
      _ = MutantModelTests.allocating(MutantTrial.maxAllocation(fileBytes: 1) + 1)
    }
  }

  /// The error says how much there was: so it was allocated.
  private static func allocating(_ byteCount: Int) -> ModelFormatError? {
    let trial = MutantTrial(lengths: .digits) { file throws(ModelFormatError) in
      let taken = [UInt8](repeating: file[0], count: byteCount)
      throw .unreadable(path: "\(taken.count)", reason: "it was only taken")
    } score: { _ in
    }
    guard case .failure(let error) = trial.loadWithinLimit([1]) else { return nil }
    return error
  }

  /// A sound small model with its trees many times over.
  private static func manyTrees(copies: Int) throws -> [UInt8] {
    let text = String(
      decoding: try Fixtures.bytes("\(Fixtures.folder)/xgb_binary.json"), as: UTF8.self)
    let start = try #require(text.firstRange(of: "\"trees\":[")).upperBound
    let end = try #require(text.firstRange(of: "]},\"name\":\"gbtree\"")).lowerBound
    let trees = [Substring](repeating: text[start..<end], count: copies).joined(separator: ",")
    let infos = [String](repeating: "0", count: copies * 6).joined(separator: ",")
    let whole = text[..<start] + trees + text[end...]
    return Array(
      whole.replacing("\"num_trees\":\"6\"", with: "\"num_trees\":\"\(copies * 6)\"")
        .replacing("\"tree_info\":[0,0,0,0,0,0]", with: "\"tree_info\":[\(infos)]").utf8)
  }

  private static func loadMutants(
    of names: [String], lengths: MutantTrial.Lengths, seed: UInt64
  ) throws {
    let seeds = try names.map { try Fixtures.bytes("\(Fixtures.folder)/\($0)") }
    trial(lengths).run(seeds: seeds, count: 500, seed: seed)
  }

  private static func trial(_ lengths: MutantTrial.Lengths) -> MutantTrial {
    MutantTrial(lengths: lengths) { file throws(ModelFormatError) in
      try NativeModel.load(bytes: file.span.bytes, path: "mutant")
    } score: { model throws(ExecutorError) in
      guard let width = model.signature.inputs[0].shape[1], width < 1000 else { return }
      let rows = Tensor(model.signature.inputs[0].elementType, shape: Shape(3, width))
      _ = try model.predict(
        [rows], outputs: Array(model.signature.outputs.indices), scratch: model.makeScratch())
    }
  }
}
