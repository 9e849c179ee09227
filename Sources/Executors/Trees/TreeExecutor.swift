package import Tensors

/// Scores batches with a tree ensemble: `X` in, `predict` out; `margin` and `leaf` by name.
package final class TreeExecutor: ModelExecutor {
  package let signature: ModelSignature
  package let summary: String
  package let classRule: ClassRule

  private enum Engine: Sendable {
    case float32(FloatTreeKernel, baseMargins: [Float], link: FloatLink)
    case float64(DoubleTreeKernel, link: DoubleLink, averagedRounds: Int)
  }

  private enum Output: Int {
    case predict, margin, leaf
  }

  private let engine: Engine
  private let input: ModelInput
  private let featureCount: Int
  private let groupCount: Int
  private let treeCount: Int

  init(_ model: TreeModel, _ kernels: TreeKernels = .best) {
    let ensemble = model.ensemble
    featureCount = ensemble.featureCount
    groupCount = ensemble.groupCount
    treeCount = ensemble.trees.count
    let type: ElementType
    var predictionWidth = ensemble.groupCount
    switch model.arithmetic {
    case .float32(let baseMargins, let link):
      type = .float32
      classRule = ClassRule(link, groupCount: ensemble.groupCount)
      predictionWidth = link.width(groupCount: ensemble.groupCount)
      engine = .float32(
        FloatTreeKernel(ensemble, kernels), baseMargins: baseMargins, link: link)
    case .float64(let link, let averagedRounds):
      type = .float64
      classRule = .aboveHalf
      engine = .float64(
        DoubleTreeKernel(ensemble, kernels), link: link, averagedRounds: averagedRounds)
    }
    func shape(width: Int) -> [Int?] { width == 1 ? [nil] : [nil, width] }
    input = ModelInput(
      name: "X", elementType: type, shape: [nil, ensemble.featureCount], columns: model.columns,
      categories: model.categories)
    signature = ModelSignature(
      inputs: [input],
      outputs: [
        ModelOutput(name: "predict", kind: .tensor(type, shape: shape(width: predictionWidth))),
        ModelOutput(
          name: "margin", kind: .tensor(type, shape: shape(width: ensemble.groupCount)),
          isDefault: false),
        ModelOutput(
          name: "leaf", kind: .tensor(.int32, shape: [nil, ensemble.trees.count]),
          isDefault: false),
      ])
    let trees = ensemble.trees.count == 1 ? "1 tree" : "\(ensemble.trees.count) trees"
    summary = "\(model.kind), \(trees)" + (model.note.isEmpty ? "" : " (\(model.note))")
  }

  package func makeScratch() -> Scratch { TreeScratch(input.elementType) }

  package func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let scratch = scratch as? TreeScratch else {
      preconditionFailure("a tree model was given the scratch of another")
    }
    let wantsLeaves = outputs.contains(Output.leaf.rawValue)
    let rows = try input.rows(
      of: inputs, cellsPerRow: wantsLeaves ? max(groupCount, treeCount) : groupCount)
    let rowCount = rows.shape[0]

    let wantsPrediction = outputs.contains(Output.predict.rawValue)
    if wantsPrediction || outputs.contains(Output.margin.rawValue) {
      let shape = groupCount == 1 ? Shape(rowCount) : Shape(rowCount, groupCount)
      try run(rows, shape, needsPrediction: wantsPrediction, &scratch.results, scratch)
    }
    if wantsLeaves {
      scratch.results.leaves.reuse(shape: Shape(rowCount, treeCount))
      try writeLeaves(rows, &scratch.results.leaves, scratch)
    }
    return outputs.map { index in
      switch Output(rawValue: index) {
      case .predict: .tensor(scratch.results.predictions)
      case .margin: .tensor(scratch.results.margins)
      case .leaf: .tensor(scratch.results.leaves)
      case nil: preconditionFailure("output \(index) of 3")
      }
    }
  }

  private func run(
    _ rows: Tensor, _ marginShape: Shape, needsPrediction: Bool, _ results: inout TreeResults,
    _ scratch: Scratch
  ) throws(ExecutorError) {
    let rowCount = rows.shape[0]
    var blocks = RowBlocks(rowCount: rowCount, treeCount: treeCount)
    results.margins.reuse(shape: marginShape)
    switch engine {
    case .float32(let kernel, let baseMargins, let link):
      var margins = results.margins.mutableValues(as: Float.self)
      while let block = try blocks.next(scratch) {
        for row in block {
          for group in 0..<groupCount { margins[row * groupCount + group] = baseMargins[group] }
        }
        kernel.addMargins(
          features: rows.values(), rowCount: rowCount, rows: block, margins: &margins)
      }
      guard needsPrediction else { return }
      let width = link.width(groupCount: groupCount)
      results.predictions.reuse(shape: width == groupCount ? marginShape : Shape(rowCount))
      let finished = results.margins
      var predictions = results.predictions.mutableValues(as: Float.self)
      link.apply(
        margins: finished.values(), groupCount: groupCount, predictions: &predictions)
    case .float64(let kernel, let link, let averagedRounds):
      var margins = results.margins.mutableValues(as: Double.self)
      for index in 0..<margins.count { margins[index] = 0 }
      while let block = try blocks.next(scratch) {
        kernel.addMargins(
          features: rows.values(), rowCount: rowCount, rows: block, margins: &margins)
      }
      guard needsPrediction else { return }
      results.predictions.reuse(shape: marginShape)
      let finished = results.margins
      let scores = finished.values(as: Double.self)
      var predictions = results.predictions.mutableValues(as: Double.self)
      for index in 0..<scores.count {
        predictions[index] = scores[index] / Double(averagedRounds)
      }
      link.apply(&predictions, groupCount: groupCount)
    }
  }

  private func writeLeaves(
    _ rows: Tensor, _ leaves: inout Tensor, _ scratch: Scratch
  ) throws(ExecutorError) {
    let rowCount = rows.shape[0]
    var numbers = leaves.mutableValues(as: Int32.self)
    var blocks = RowBlocks(rowCount: rowCount, treeCount: treeCount)
    while let block = try blocks.next(scratch) {
      switch engine {
      case .float32(let kernel, _, _):
        kernel.writeLeaves(
          features: rows.values(), rowCount: rowCount, rows: block, leaves: &numbers)
      case .float64(let kernel, _, _):
        kernel.writeLeaves(
          features: rows.values(), rowCount: rowCount, rows: block, leaves: &numbers)
      }
    }
  }
}

private final class TreeScratch: Scratch {
  var results: TreeResults

  override var byteCount: Int {
    results.margins.ownedByteCount + results.predictions.ownedByteCount
      + results.leaves.ownedByteCount
  }

  init(_ type: ElementType) {
    results = TreeResults(
      margins: Tensor(type, shape: Shape(0)), predictions: Tensor(type, shape: Shape(0)),
      leaves: Tensor(.int32, shape: Shape(0)))
  }
}

/// The tensors that a thread's last answer lies in.
private struct TreeResults {
  var margins: Tensor
  var predictions: Tensor
  var leaves: Tensor
}
