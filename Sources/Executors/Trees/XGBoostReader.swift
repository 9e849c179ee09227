/// Reads an XGBoost model, JSON or UBJSON, in one pass: trees become nodes as they go by.
///
/// Source: xgboost/doc/model.schema.
struct XGBoostReader {
  private var nodes: [TreeNode] = []
  private var treeRanges: [Range<Int>] = []
  private var treeGroups: [Int32] = []
  private var categorySets = CategorySets()
  private var arrays = XGBoostTreeArrays()
  private var weights: [Float]?
  private var booster = ""
  private var declaredTreeCount: Int?
  private var objective = ""
  private var featureNames: [String] = []
  private var baseScore = ""
  private var classCount = 0
  private var targetCount = 1
  private var featureCount: Int?
  private var hasLearner = false

  static func read<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) -> TreeModel {
    var model = XGBoostReader()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      if key == "learner" {
        try model.readLearner(from: &reader)
      } else {
        try reader.skipValue()
      }
    }
    try reader.finish()
    return try model.finish()
  }

  private mutating func readLearner<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    hasLearner = true
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "gradient_booster": try readBooster(from: &reader)
      case "learner_model_param": try readParameters(from: &reader)
      case "objective": try readObjective(from: &reader)
      case "feature_names": featureNames = try reader.readTexts()
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

  /// `gbtree` holds its model; `dart` holds a `gbtree` and the weight of each tree.
  private mutating func readBooster<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader, isInner: Bool = false
  ) throws(ModelFormatError) {
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "name":
        let name = try reader.readText()
        if !isInner { booster = name }
      case "model":
        // A linear model's `model` is another thing; its name may come only after it.
        try readModel(from: &reader)
      case "gbtree" where !isInner: try readBooster(from: &reader, isInner: true)
      case "weight_drop":
        var read: [Float] = []
        try reader.readNumbers(&read)
        weights = read
      default: try reader.skipValue()
      }
    }
  }

  private mutating func readModel<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    nodes.removeAll()
    treeRanges.removeAll()
    categorySets = CategorySets()
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "tree_info": try reader.readIntegers(&treeGroups)
      case "trees":
        try reader.beginArray()
        while try reader.nextElement() {
          let start = nodes.count
          try arrays.read(from: &reader)
          try arrays.append(treeIndex: treeRanges.count, to: &nodes, sets: &categorySets)
          treeRanges.append(start..<nodes.count)
        }
      case "gbtree_model_param":
        try reader.beginObject()
        while let key = try reader.nextKey() {
          if key == "num_trees" {
            declaredTreeCount = try reader.readWrittenInteger()
          } else {
            try reader.skipValue()
          }
        }
      default: try reader.skipValue()
      }
    }
  }

  private func finish() throws(ModelFormatError) -> TreeModel {
    guard hasLearner else {
      throw malformed("the document", "there is no 'learner': this is no XGBoost model")
    }
    guard booster == "gbtree" || booster == "dart" else {
      throw .unsupported(
        format: "XGBoost", what: "the booster '\(booster)'",
        advice: "boosters that are run: gbtree, dart")
    }
    guard let objective = XGBoostObjective.named(objective) else {
      let known = XGBoostObjective.all.map(\.name).joined(separator: ", ")
      throw .unsupported(
        format: "XGBoost", what: "the objective '\(objective)'",
        advice: "objectives that are run: \(known)")
    }
    guard let featureCount else {
      throw malformed("learner_model_param", "there is no 'num_feature'")
    }
    guard treeGroups.count == treeRanges.count,
      (declaredTreeCount ?? treeRanges.count) == treeRanges.count
    else {
      throw malformed(
        "gradient_booster",
        "\(treeRanges.count) trees; tree_info has \(treeGroups.count), "
          + "num_trees says \(declaredTreeCount ?? treeRanges.count)")
    }
    guard featureNames.isEmpty || featureNames.count == featureCount else {
      throw malformed(
        "feature_names", "\(featureNames.count) names for \(featureCount) features")
    }
    let ensemble = try TreeEnsemble(
      format: "XGBoost", featureCount: featureCount,
      groupCount: max(classCount, targetCount, 1), nodes: try weightedNodes(),
      trees: zip(treeRanges, treeGroups).map { .init(nodes: $0, group: Int($1)) },
      categorySets: categorySets)
    return TreeModel(
      kind: "XGBoost \(booster), \(objective.name)", ensemble: ensemble,
      arithmetic: .float32(
        baseMargins: try baseMargins(objective, groupCount: ensemble.groupCount),
        link: objective.link),
      columns: featureNames.isEmpty ? nil : featureNames)
  }

  /// DART adds leaf × weight, the product rounded to float32: that is done here, once.
  private func weightedNodes() throws(ModelFormatError) -> [TreeNode] {
    guard booster == "dart" else { return nodes }
    guard let weights, weights.count == treeRanges.count else {
      throw malformed(
        "weight_drop", "\(weights?.count ?? 0) weights for \(treeRanges.count) trees")
    }
    var weighted = nodes
    for (tree, range) in treeRanges.enumerated() {
      for index in range where weighted[index].isLeaf {
        weighted[index].threshold = Double(Float(weighted[index].threshold) * weights[tree])
      }
    }
    return weighted
  }

  /// `5E-1` up to version 3.0; `[4.65E-1]`, one for each group or one for all, from 3.1 on.
  private func baseMargins(
    _ objective: XGBoostObjective, groupCount: Int
  ) throws(ModelFormatError) -> [Float] {
    var text = Substring(baseScore)
    if text.first == "[", text.last == "]" { text = text.dropFirst().dropLast() }
    var margins: [Float] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let score = Double(part.filter { $0 != " " }) else {
        throw malformed("base_score", "'\(baseScore)' is no number nor a list of numbers")
      }
      let margin = objective.baseMargin(Float(score))
      guard margin.isFinite else {
        throw malformed("base_score", "\(score) is no output of \(objective.name)")
      }
      margins.append(margin)
    }
    if margins.count == 1 { return [Float](repeating: margins[0], count: groupCount) }
    guard margins.count == groupCount else {
      throw malformed("base_score", "\(margins.count) numbers for \(groupCount) outputs")
    }
    return margins
  }

  private func malformed(_ place: String, _ reason: String) -> ModelFormatError {
    .malformed(format: "XGBoost", at: place, reason: reason)
  }
}
