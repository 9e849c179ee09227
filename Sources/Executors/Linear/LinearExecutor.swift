package import Tensors

/// Scores batches with a linear model: `X` in, `predict` out; `margin` by name.
package final class LinearExecutor: ModelExecutor {
  package let signature: ModelSignature
  package let summary: String
  package let classRule: ClassRule

  private enum Output: Int {
    case predict, margin
  }

  private let model: LinearModel
  private let link: FloatLink
  private let input: ModelInput

  init(_ model: LinearModel, link: FloatLink, kind: String, columns: [String]?) {
    self.model = model
    self.link = link
    classRule = ClassRule(link, groupCount: model.groupCount)
    func shape(width: Int) -> [Int?] { width == 1 ? [nil] : [nil, width] }
    input = ModelInput(
      name: "X", elementType: .float32, shape: [nil, model.featureCount], columns: columns)
    let predictionWidth = link.width(groupCount: model.groupCount)
    signature = ModelSignature(
      inputs: [input],
      outputs: [
        ModelOutput(name: "predict", kind: .tensor(.float32, shape: shape(width: predictionWidth))),
        ModelOutput(
          name: "margin", kind: .tensor(.float32, shape: shape(width: model.groupCount)),
          isDefault: false),
      ])
    summary = "\(kind), \(model.featureCount) feature" + (model.featureCount == 1 ? "" : "s")
  }

  package func makeScratch() -> Scratch { LinearScratch() }

  package func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let scratch = scratch as? LinearScratch else {
      preconditionFailure("a linear model was given the scratch of another")
    }
    let groupCount = model.groupCount
    let rows = try input.rows(of: inputs, cellsPerRow: groupCount)
    let rowCount = rows.shape[0]
    let marginShape = groupCount == 1 ? Shape(rowCount) : Shape(rowCount, groupCount)
    try run(
      rows, marginShape, needsPrediction: outputs.contains(Output.predict.rawValue),
      &scratch.results, scratch)
    return outputs.map { index in
      switch Output(rawValue: index) {
      case .predict: .tensor(scratch.results.predictions)
      case .margin: .tensor(scratch.results.margins)
      case nil: preconditionFailure("output \(index) of 2")
      }
    }
  }

  private func run(
    _ rows: Tensor, _ marginShape: Shape, needsPrediction: Bool, _ results: inout LinearResults,
    _ scratch: Scratch
  ) throws(ExecutorError) {
    let rowCount = rows.shape[0]
    results.margins.reuse(shape: marginShape)
    var margins = results.margins.mutableValues(as: Float.self)
    // A step of a tree and a product cost about the same.
    let (products, overflows) = model.featureCount.multipliedReportingOverflow(
      by: model.groupCount)
    var blocks = RowBlocks(rowCount: rowCount, treeCount: overflows ? .max : products)
    while let block = try blocks.next(scratch) {
      model.writeMargins(
        features: rows.values(), rowCount: rowCount, rows: block, margins: &margins)
    }
    guard needsPrediction else { return }
    let width = link.width(groupCount: model.groupCount)
    results.predictions.reuse(shape: width == model.groupCount ? marginShape : Shape(rowCount))
    let finished = results.margins
    var predictions = results.predictions.mutableValues(as: Float.self)
    link.apply(margins: finished.values(), groupCount: model.groupCount, predictions: &predictions)
  }
}

private final class LinearScratch: Scratch {
  var results = LinearResults()

  override var byteCount: Int {
    results.margins.ownedByteCount + results.predictions.ownedByteCount
  }
}

/// The tensors that a thread's last answer lies in.
private struct LinearResults {
  var margins = Tensor(.float32, shape: Shape(0))
  var predictions = Tensor(.float32, shape: Shape(0))
}

/// Numbers that a request may ask for of one kind: a gibibyte of doubles.
private let maxResultCells = 1 << 27

extension ModelInput {
  /// The one table among `inputs`, checked.
  ///
  /// - Parameter cellsPerRow: The most numbers that a row's answer takes.
  func rows(of inputs: [Tensor?], cellsPerRow: Int) throws(ExecutorError) -> Tensor {
    guard let rows = inputs.first ?? nil else { throw .missingInput(name) }
    guard rows.elementType == elementType else {
      throw .elementType(input: name, expected: elementType, received: rows.elementType)
    }
    guard accepts(rows.shape) else {
      throw .shape(input: name, expected: shape, received: rows.shape.array)
    }
    let (cells, overflows) = rows.shape[0].multipliedReportingOverflow(by: max(cellsPerRow, 1))
    guard !overflows, cells <= maxResultCells else {
      throw .failed(
        node: name,
        reason: "\(rows.shape[0]) rows have \(overflows ? "too many" : String(cells)) results; "
          + "\(maxResultCells) are allowed in one request")
    }
    return rows
  }
}
