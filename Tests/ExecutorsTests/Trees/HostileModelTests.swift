import Tensors
import Testing

@testable import Executors

/// Files that lie: an error each, never a trap and never a hang.
@Suite struct HostileModelTests {
  private func load(_ bytes: [UInt8]) throws(ModelFormatError) -> any ModelExecutor {
    try NativeModel.load(bytes: bytes.span.bytes, path: "model")
  }

  private func load(_ text: String) throws(ModelFormatError) -> any ModelExecutor {
    try load(Array(text.utf8))
  }

  @Test(arguments: ["xgb_softmax.json", "xgb_categorical.ubj", "lgb_none.txt"])
  func `a file cut off at any place is an error`(name: String) throws {
    let file = try Fixtures.bytes("\(Fixtures.folder)/\(name)")
    var complete = file.count
    if name.hasSuffix(".txt") {
      // No prediction needs what LightGBM writes behind its trees.
      let text = String(decoding: file, as: UTF8.self)
      complete = try #require(text.split(separator: "end of trees").first).utf8.count
    }
    for count in Array(stride(from: 0, to: complete, by: 13)) + [complete - 2, complete - 1] {
      #expect(throws: ModelFormatError.self, "\(count) bytes") {
        try load(Array(file[0..<count]))
      }
    }
  }

  @Test(arguments: [
    "xgb_softmax.json", "xgb_dart.ubj", "xgb_categorical.ubj", "lgb_categorical.txt",
  ])
  func `a file with a byte changed loads and scores or is an error`(name: String) throws {
    let file = try Fixtures.bytes("\(Fixtures.folder)/\(name)")
    var loaded = 0
    for place in stride(from: 0, to: file.count, by: 23) {
      var changed = file
      changed[place] = changed[place] ^ UInt8(1 << (place % 8))
      guard let model = try? load(changed), let width = model.signature.inputs[0].shape[1],
        width < 1000
      else { continue }
      loaded += 1
      let input = model.signature.inputs[0]
      let row = Tensor(input.elementType, shape: Shape(1, width))
      _ = try model.predict([row], outputs: [0, 1, 2], scratch: model.makeScratch())
    }
    #expect(loaded > 0)
  }

  /// A stump on feature 1 of 2, with parts replaced.
  private func xgboost(
    left: String = "[1,-1,-1]", right: String = "[2,-1,-1]", indices: String = "[1,0,0]",
    conditions: String = "[0.5,1,2]", defaults: String = "[1,0,0]", info: String = "[0]",
    features: String = "\"2\"", classes: String = "0", base: String = "5E-1",
    objective: String = "reg:squarederror", booster: String = "gbtree", extra: String = ""
  ) -> String {
    """
    {"learner":{"gradient_booster":{"model":{"gbtree_model_param":{"num_trees":"1"},\
    "tree_info":\(info),"trees":[{"left_children":\(left),"right_children":\(right),\
    "split_indices":\(indices),"split_conditions":\(conditions),"default_left":\(defaults)\(extra)}]},\
    "name":"\(booster)"},"learner_model_param":{"base_score":"\(base)","num_class":"\(classes)",\
    "num_feature":\(features)},"objective":{"name":"\(objective)"}},"version":[3,2,0]}
    """
  }

  @Test func `the stump that the others are made of is sound`() throws {
    let model = try load(xgboost())
    let row = Tensor([9, 0.25, 9, 0.5, 9, .nan] as [Float], shape: Shape(3, 2))
    let answer = try tensor(model.predict([row], outputs: [0], scratch: model.makeScratch())[0])
    #expect(bits(answer) == [Float(1.5), 2.5, 1.5].map { UInt64($0.bitPattern) })
    #expect(model.signature.inputs[0].columns == nil)
    #expect(model.summary == "XGBoost gbtree, reg:squarederror, 1 tree")
  }

  @Test func `an XGBoost file that lies is an error that says where`() {
    let lies = [
      xgboost(left: "[9,-1,-1]"), xgboost(left: "[-5,-1,-1]"), xgboost(left: "[0,-1,-1]"),
      xgboost(right: "[1,-1,-1]"), xgboost(right: "[2147483647,-1,-1]"),
      xgboost(left: "[1,0,-1]", right: "[2,2,-1]"), xgboost(left: "[99999999999,-1,-1]"),
      xgboost(left: "[]", right: "[]", indices: "[]", conditions: "[]", defaults: "[]"),
      xgboost(right: "[2,-1]"), xgboost(indices: "[2,0,0]"), xgboost(indices: "[-1,0,0]"),
      xgboost(conditions: "[0.5]"), xgboost(defaults: "[1,0,0,1]"), xgboost(info: "[1]"),
      xgboost(info: "[-1]"), xgboost(info: "[]"), xgboost(features: "\"99999999999999999999\""),
      xgboost(
        left: "[-1]", right: "[-1]", indices: "[0]", conditions: "[1]", defaults: "[0]",
        features: "\"0\""),
      xgboost(features: "\"-3\""), xgboost(features: "\"1\""), xgboost(features: "9e18"),
      xgboost(classes: "1000000000000"), xgboost(base: "abc"), xgboost(base: "[]"),
      xgboost(base: "[1,2]"), xgboost(base: "nan"),
      xgboost(base: "2", objective: "binary:logistic"), xgboost(booster: "dart"),
      xgboost(extra: ",\"split_type\":[1,0,0]"), xgboost(extra: ",\"split_type\":[7,0,0]"),
      xgboost(
        extra: ",\"split_type\":[1,0,0],\"categories\":[-4],\"categories_nodes\":[0],"
          + "\"categories_segments\":[0],\"categories_sizes\":[1]"),
      xgboost(
        extra: ",\"split_type\":[1,0,0],\"categories\":[1],\"categories_nodes\":[0],"
          + "\"categories_segments\":[0],\"categories_sizes\":[2]"),
      xgboost(extra: ",\"tree_param\":{\"num_nodes\":\"5\"}"), "{\"a\":1}",
    ]
    for (index, lie) in lies.enumerated() {
      #expect(throws: ModelFormatError.self, "lie \(index)") { try load(lie) }
    }
    #expect(
      throws: ModelFormatError.malformed(
        format: "XGBoost", at: "tree 0, node 0",
        reason: "it asks for feature 2; the model has 2")
    ) { try load(xgboost(indices: "[2,0,0]")) }
  }

  @Test func `what is not run is refused by name`() {
    func advice(_ text: String) -> String {
      do {
        _ = try load(text)
        return "loaded"
      } catch { return error.description }
    }
    #expect(advice(xgboost(objective: "my:loss")).contains("the objective 'my:loss'"))
    #expect(advice(xgboost(booster: "gbforest")).contains("the booster 'gbforest'"))
    #expect(advice("binf\u{1}\u{2}\u{3}").contains("save it again as model.json"))
    #expect(advice("hello").contains("of no kind that can be served"))
    #expect(
      advice(lightGBM(objective: "objective=my_loss")).contains("the objective 'my_loss'"))
  }

  /// A stump on feature 1 of 2, with lines replaced.
  private func lightGBM(
    features: String = "max_feature_idx=1", groups: String = "num_tree_per_iteration=1",
    objective: String = "objective=regression", leaves: String = "num_leaves=2",
    split: String = "split_feature=1", threshold: String = "threshold=0.5",
    decision: String = "decision_type=2", left: String = "left_child=-1",
    right: String = "right_child=-2", values: String = "leaf_value=1 2",
    extra: String = "shrinkage=1"
  ) -> String {
    [
      "tree", "version=v4", "num_class=1", groups, features, objective, "", "Tree=0", leaves, split,
      threshold, decision, left, right, values, extra, "", "end of trees", "",
    ].joined(separator: "\n")
  }

  @Test func `a LightGBM stump is sound, with either end of line`() throws {
    for text in [
      lightGBM(),
      lightGBM().split(separator: "\n", omittingEmptySubsequences: false)
        .joined(separator: "\r\n"),
    ] {
      let model = try load(text)
      let row = Tensor([9, 0.5, 9, 0.75, 9, .nan] as [Double], shape: Shape(3, 2))
      let answer = try tensor(model.predict([row], outputs: [0], scratch: model.makeScratch())[0])
      #expect(bits(answer) == [1.0, 2, 1].map(\.bitPattern))
    }
  }

  @Test func `a LightGBM file that lies is an error`() {
    let lies = [
      lightGBM(features: "max_feature_idx=0"), lightGBM(features: "max_feature_idx=x"),
      lightGBM(features: "max_feature_idx=9223372036854775807"), lightGBM(features: "a=1"),
      lightGBM(groups: "num_tree_per_iteration=0"), lightGBM(groups: "num_tree_per_iteration=2"),
      lightGBM(groups: "num_tree_per_iteration=2000000000"), lightGBM(leaves: "num_leaves=3"),
      lightGBM(leaves: "num_leaves=2000000000"), lightGBM(leaves: "num_leaves=-1"),
      lightGBM(leaves: "num_leaves=0", values: "leaf_value="), lightGBM(split: "split_feature=-1"),
      lightGBM(split: "split_feature=1 1"), lightGBM(split: "split_feature=1.5"),
      lightGBM(threshold: "threshold=abc"), lightGBM(threshold: "threshold=1x"),
      lightGBM(decision: "decision_type=14"), lightGBM(decision: "decision_type=1"),
      lightGBM(left: "left_child=0"), lightGBM(left: "left_child=1"),
      lightGBM(left: "left_child=-3"), lightGBM(left: "left_child=-2147483648"),
      lightGBM(right: "right_child=-1"), lightGBM(values: "leaf_value=1"),
      lightGBM(decision: "decision_type=1", extra: "num_cat=1"),
      lightGBM(
        threshold: "threshold=0", decision: "decision_type=1",
        extra: "num_cat=1\ncat_boundaries=0 9\ncat_threshold=1"),
      lightGBM(
        threshold: "threshold=0", decision: "decision_type=1",
        extra: "num_cat=1\ncat_boundaries=0 1\ncat_threshold=-1"),
      lightGBM(
        threshold: "threshold=0", decision: "decision_type=1",
        extra: "num_cat=2000000000\ncat_boundaries=0 1\ncat_threshold=1"),
      "tree\n", "tree\nversion=v4\nend of trees\n",
      lightGBM(objective: "objective=binary sigmoid:x"),
    ]
    for (index, lie) in lies.enumerated() {
      #expect(throws: ModelFormatError.self, "lie \(index)") { try load(lie) }
    }
  }

  @Test func `an input that does not fit is an error of the request`() throws {
    let model = try load(xgboost())
    let scratch = model.makeScratch()
    #expect(throws: ExecutorError.missingInput("X")) {
      try model.predict([nil], outputs: [0], scratch: scratch)
    }
    #expect(
      throws: ExecutorError.elementType(input: "X", expected: .float32, received: .float64)
    ) {
      try model.predict([Tensor(.float64, shape: Shape(1, 2))], outputs: [0], scratch: scratch)
    }
    #expect(throws: ExecutorError.shape(input: "X", expected: [nil, 2], received: [1, 3])) {
      try model.predict([Tensor(.float32, shape: Shape(1, 3))], outputs: [0], scratch: scratch)
    }
    let none = try model.predict(
      [Tensor(.float32, shape: Shape(0, 2))], outputs: [0], scratch: scratch)
    #expect(try tensor(none[0]).shape == Shape(0))
  }

  @Test func `an answer that is still held is not written over`() throws {
    let model = try load(xgboost())
    let scratch = model.makeScratch()
    let first = try tensor(
      model.predict(
        [Tensor([0, 0] as [Float], shape: Shape(1, 2))], outputs: [0], scratch: scratch)[0])
    let before = bits(first)
    _ = try model.predict(
      [Tensor([0, 1] as [Float], shape: Shape(1, 2))], outputs: [0], scratch: scratch)
    #expect(bits(first) == before)
  }
}
