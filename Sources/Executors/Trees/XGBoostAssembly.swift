// What an XGBoost file has told, checked against itself and made a model.

extension XGBoostReader {
  func finish(
    _ rounds: TreeRounds, _ kernels: TreeKernels
  ) throws(ModelFormatError) -> any ModelExecutor {
    guard hasLearner else { throw notXGBoost() }
    if let major = version.first, major > 3 {
      throw .unsupported(
        format: "XGBoost",
        what: "a file of version \(version.map(String.init).joined(separator: "."))",
        advice: "files of XGBoost 1.0 to 3.x are read")
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
    guard featureNames.isEmpty || featureNames.count == featureCount else {
      throw malformed(
        "feature_names", "\(featureNames.count) names for \(featureCount) features")
    }
    let groupCount = max(classCount, targetCount, 1)
    guard groupCount <= Int(UInt16.max) else {
      throw malformed("learner_model_param", "\(groupCount) outputs")
    }
    let columns = featureNames.isEmpty ? nil : featureNames
    let kind = "XGBoost \(booster), \(objective.name)"
    let baseMargins = try baseMargins(objective, groupCount: groupCount)
    switch booster {
    case "gbtree", "dart":
      var model = TreeModel(
        kind: kind,
        ensemble: try ensemble(featureCount: featureCount, baseMargins: baseMargins, rounds),
        arithmetic: .float32(baseMargins: baseMargins, link: objective.link), columns: columns,
        categories: try checkedCategories(featureCount: featureCount))
      if model.ensemble.trees.count < treeRanges.count {
        model.note = "the best rounds of \(treeRanges.count) trees"
      }
      return TreeExecutor(model, kernels)
    case "gblinear":
      let model = try LinearModel(
        format: "XGBoost", featureCount: featureCount, groupCount: groupCount,
        // The first output's base is every output's: so does XGBoost up to 3.2.
        weights: linearWeights ?? [], baseMargin: baseMargins[0])
      return LinearExecutor(model, link: objective.link, kind: kind, columns: columns)
    default:
      throw .unsupported(
        format: "XGBoost", what: "the booster '\(booster)'",
        advice: "boosters that are run: gbtree, dart, gblinear")
    }
  }

  private func ensemble(
    featureCount: Int, baseMargins: [Float], _ rounds: TreeRounds
  ) throws(ModelFormatError) -> TreeEnsemble {
    let groupCount = baseMargins.count
    guard treeGroups.count == treeRanges.count,
      (declaredTreeCount ?? treeRanges.count) == treeRanges.count
    else {
      throw malformed(
        "gradient_booster",
        "\(treeRanges.count) trees; tree_info has \(treeGroups.count), "
          + "num_trees says \(declaredTreeCount ?? treeRanges.count)")
    }
    guard leafWidth == 1 || leafWidth == groupCount else {
      throw malformed(
        "tree 0", "its leaves have \(leafWidth) values; the model has \(groupCount) outputs")
    }
    let trees = zip(treeRanges, treeGroups).map { range, group in
      TreeEnsemble.Tree(nodes: range, group: Int(group))
    }
    let used = try usedTreeCount(groupCount: groupCount, rounds)
    return try TreeEnsemble(
      format: "XGBoost", featureCount: featureCount, groupCount: groupCount,
      nodes: try weightedNodes(baseMargins, rounds), trees: Array(trees[0..<used]),
      categorySets: categorySets, leafVectors: leafVectors)
  }

  /// Trees of the rounds that answer, from the first on.
  private func usedTreeCount(
    groupCount: Int, _ rounds: TreeRounds
  ) throws(ModelFormatError) -> Int {
    let wantsBest =
      switch rounds {
      case .all: false
      case .best: true
      case .asSaved: isFromWrapper
      }
    guard wantsBest, let bestIteration else { return treeRanges.count }
    let used: Int
    if roundStarts.isEmpty {
      // Before 2.0 every round has as many trees.
      let (width, overflows) = max(parallelTreeCount, 1).multipliedReportingOverflow(
        by: leafWidth > 1 ? 1 : groupCount)
      guard !overflows, bestIteration < treeRanges.count, width <= treeRanges.count,
        (bestIteration + 1) * width <= treeRanges.count
      else {
        throw malformed(
          "attributes",
          "best_iteration is \(bestIteration); there are \(treeRanges.count) trees")
      }
      used = (bestIteration + 1) * width
    } else {
      guard bestIteration < roundStarts.count - 1 else {
        throw malformed(
          "attributes",
          "best_iteration is \(bestIteration); there are \(roundStarts.count - 1) rounds")
      }
      used = Int(roundStarts[bestIteration + 1])
    }
    guard used >= 1, used <= treeRanges.count else {
      throw malformed(
        "iteration_indptr", "round \(bestIteration) ends at tree \(used) of \(treeRanges.count)")
    }
    return used
  }

  /// DART adds leaf × weight, the product rounded to float32: that is done here, once.
  ///
  /// The scikit-learn wrapper's `inplace_predict` gets a leaf from a tree's prediction, base margin
  /// and all, and loses what that rounds off. Source: xgboost/src/gbm/gbtree.cc, 1.7 to 3.2.
  private func weightedNodes(
    _ baseMargins: [Float], _ rounds: TreeRounds
  ) throws(ModelFormatError) -> [TreeNode] {
    guard booster == "dart" else { return nodes }
    guard let treeWeights, treeWeights.count == treeRanges.count else {
      throw malformed(
        "weight_drop", "\(treeWeights?.count ?? 0) weights for \(treeRanges.count) trees")
    }
    guard leafWidth == 1 else {
      throw .unsupported(
        format: "XGBoost", what: "the booster 'dart' with leaves of \(leafWidth) values",
        advice: "train with multi_strategy=one_output_per_tree")
    }
    var weighted = nodes
    for (tree, range) in treeRanges.enumerated() {
      // The ensemble checks the group.
      let group = Int(treeGroups[tree])
      let base = baseMargins.indices.contains(group) ? baseMargins[group] : 0
      for index in range where weighted[index].isLeaf {
        let leaf = Float(weighted[index].threshold)
        let given = rounds == .best ? (base + leaf) - base : leaf
        weighted[index].threshold = Double(given * treeWeights[tree])
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
      guard objective.takes(margin) else {
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

  private func checkedCategories(
    featureCount: Int
  ) throws(ModelFormatError) -> [Int: ColumnCategories] {
    guard encodedFeatureCount == 0 || encodedFeatureCount == featureCount else {
      throw malformed("cats", "\(encodedFeatureCount) entries for \(featureCount) features")
    }
    return categories
  }

  /// Other libraries write JSON as well; what they write has members of its own.
  private func notXGBoost() -> ModelFormatError {
    if otherMembers.contains("oblivious_trees") || otherMembers.contains("features_info") {
      return .unsupported(
        format: "CatBoost JSON", what: "CatBoost models are not run",
        advice: "save it with save_model(…, format=\"onnx\")")
    }
    if otherMembers.contains("tree_info"), otherMembers.contains("max_feature_idx") {
      return .unsupported(
        format: "LightGBM JSON",
        what: "a dump (dump_model) cannot be loaded, not by LightGBM either",
        advice: "save the model with Booster.save_model: a text file that begins 'tree'")
    }
    return malformed("the document", "there is no 'learner': this is no XGBoost model")
  }
}
