/// Reads an XGBoost model, JSON or UBJSON, in one pass: trees become nodes as they go by.
///
/// Source: xgboost/doc/model.schema.
struct XGBoostReader {
  var nodes: [TreeNode] = []
  var treeRanges: [Range<Int>] = []
  var treeGroups: [Int32] = []
  var categorySets = CategorySets()
  var leafVectors: [Float] = []
  var leafWidth = 1
  /// The weight of each tree (`dart`).
  var treeWeights: [Float]?
  /// The weights of each feature (`gblinear`).
  var linearWeights: [Float]?
  var booster = ""
  var declaredTreeCount: Int?
  var parallelTreeCount = 1
  /// Trees of round i are those from entry i to entry i + 1; written from 2.0 on.
  var roundStarts: [Int32] = []
  var objective = ""
  var featureNames: [String] = []
  var categories: [Int: ColumnCategories] = [:]
  var encodedFeatureCount = 0
  var baseScore = ""
  var classCount = 0
  var targetCount = 1
  var featureCount: Int?
  /// Of the library that has written the file: `[3, 2, 0]`.
  var version: [Int32] = []
  var hasLearner = false
  var bestIteration: Int?
  /// Whether the scikit-learn wrapper has written the file: it predicts with the best rounds.
  var isFromWrapper = false
  /// Members of the document beside `learner`: they tell other libraries' files.
  var otherMembers: [String] = []

  private var arrays = XGBoostTreeArrays()

  /// - Parameter byteCount: The file's size, which bounds what is set aside for its nodes.
  static func read<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader, byteCount: Int, rounds: TreeRounds, kernels: TreeKernels
  ) throws(ModelFormatError) -> any ModelExecutor {
    var model = XGBoostReader()
    // A node takes 34 bytes of UBJSON, more of JSON. Growing by doubling would cost three times
    // the nodes at the last step; pages that stay untouched cost nothing.
    if byteCount > 1 << 20 { model.nodes.reserveCapacity(byteCount / 33) }
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key == "learner" {
        try model.readLearner(from: &reader)
      } else if key == "version" {
        try reader.readIntegers(&model.version)
      } else {
        if model.otherMembers.count < 20 { model.otherMembers.append(key) }
        try reader.skipValue()
      }
    }
    try reader.finish()
    return try model.finish(rounds, kernels)
  }

  private mutating func readLearner<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    guard !hasLearner else { throw reader.malformed("a second 'learner'") }
    hasLearner = true
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "gradient_booster": try readBooster(from: &reader)
      case "learner_model_param": try readParameters(from: &reader)
      case "objective": try readObjective(from: &reader)
      case "feature_names": featureNames = try reader.readTexts()
      case "attributes": try readAttributes(from: &reader)
      default: try reader.skipValue()
      }
    }
  }

  private mutating func readAttributes<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "best_iteration":
        let text = try reader.readText()
        // A user's own attribute may have this name: it must not keep the model from loading.
        bestIteration = Int(text).flatMap { $0 >= 0 ? $0 : nil }
      case "scikit_learn":
        isFromWrapper = true
        try reader.skipValue()
      default: try reader.skipValue()
      }
    }
  }

  private mutating func readParameters<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "base_score": baseScore = try reader.readText()
      case "num_class": classCount = try reader.readWrittenInteger()
      case "num_target": targetCount = try reader.readWrittenInteger()
      case "num_feature": featureCount = try reader.readWrittenInteger()
      default: try reader.skipValue()
      }
    }
  }

  private mutating func readObjective<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key == "name" { objective = try reader.readText() } else { try reader.skipValue() }
    }
  }

  /// `gbtree` and `gblinear` hold their model; `dart` holds a `gbtree` and each tree's weight.
  private mutating func readBooster<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader, isInner: Bool = false
  ) throws(ModelFormatError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "name":
        let name = try reader.readText()
        if !isInner { booster = name }
      case "model": try readModel(from: &reader)
      case "gbtree" where !isInner: try readBooster(from: &reader, isInner: true)
      case "weight_drop":
        var read: [Float] = []
        try reader.readNumbers(&read)
        treeWeights = read
      default: try reader.skipValue()
      }
    }
  }

  /// Trees, or the weights of a linear model: its name may come only after it.
  private mutating func readModel<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "tree_info": try reader.readIntegers(&treeGroups)
      case "trees": try readTrees(from: &reader)
      case "gbtree_model_param": try readModelParameters(from: &reader)
      case "iteration_indptr": try reader.readIntegers(&roundStarts)
      case "cats": try readCategories(from: &reader)
      case "weights":
        var read: [Float] = []
        try reader.readNumbers(&read)
        linearWeights = read
      default: try reader.skipValue()
      }
    }
  }

  private mutating func readTrees<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    guard treeRanges.isEmpty else { throw reader.malformed("'trees' a second time") }
    try reader.beginArray()
    while try reader.nextElement() {
      let start = nodes.count
      try arrays.read(from: &reader, wantsVectors: treeRanges.isEmpty || leafWidth > 1)
      if treeRanges.isEmpty { leafWidth = arrays.leafWidth }
      guard arrays.leafWidth == leafWidth else {
        throw malformed(
          "tree \(treeRanges.count)",
          "its leaves have \(arrays.leafWidth) values, those before it \(leafWidth)")
      }
      try arrays.append(
        treeIndex: treeRanges.count, to: &nodes, sets: &categorySets, vectors: &leafVectors)
      treeRanges.append(start..<nodes.count)
    }
  }

  private mutating func readModelParameters<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "num_trees": declaredTreeCount = try reader.readWrittenInteger()
      case "num_parallel_tree": parallelTreeCount = try reader.readWrittenInteger()
      default: try reader.skipValue()
      }
    }
  }

  func malformed(_ place: String, _ reason: String) -> ModelFormatError {
    .malformed(format: "XGBoost", at: place, reason: reason)
  }
}

/// Which rounds of a model that was trained with early stopping answer.
package enum TreeRounds: Sendable {
  /// The best ones when XGBoost's scikit-learn wrapper has written the file, since it predicts
  /// with them; all of them else, as `Booster.predict` does.
  case asSaved
  case all
  /// Up to the best one, where the file tells it.
  case best
}
