internal import Executors
internal import Serving

/// A piece, scored: what is written for it.
struct ScoredPiece: Sendable {
  var place: JobPiece.Place
  /// Empty at a file's end.
  var block = ScoredBlock()
  var header: [UInt8] { block.header }
  var text: [UInt8] { block.text }
  var scored: Int { block.scored }
  var faults: [RowFault] { block.faults }
  /// Set at a file's end.
  var end: (sha256: String, fault: String?)?
  /// The job ends or stops: the piece was left as it was.
  var isAbandoned: Bool { block.isAbandoned }
  /// What no row is to blame for.
  var failure: ScoredBlock.Failure? { block.failure }
}

/// Scores pieces on one thread.
final class JobScorer {
  private let model: LoadedModel
  private let outputs: [Int]
  private let scratch: Scratch
  private let pace: ScoringPace
  /// For the file whose pieces come now.
  private var scorer: (decoding: FileDecoding, scorer: BlockScorer)?

  init(_ model: LoadedModel, outputs: [Int], pace: ScoringPace) {
    self.model = model
    self.outputs = outputs
    self.pace = pace
    scratch = model.executor.makeScratch()
  }

  func score(_ piece: JobPiece) -> ScoredPiece {
    var result = ScoredPiece(place: piece.place)
    if pace.shouldStop() {
      result.block.isAbandoned = true
      return result
    }
    switch piece.content {
    case .fileEnd(let sha256, let fault):
      result.end = (sha256, fault)
      return result
    case .text(let rows, let decoding): result.block = scorer(for: decoding).score(rows)
    case .numbers(let rows, let decoding):
      let input = NumberConversion.convert(
        rows.rows, to: model.signature.inputs[0].elementType)
      result.block = scorer(for: decoding).score(input, firstRow: rows.firstRow)
    }
    return result
  }

  private func scorer(for decoding: FileDecoding) -> BlockScorer {
    if let scorer, scorer.decoding === decoding { return scorer.scorer }
    let made = BlockScorer(
      model, outputs: outputs, text: decoding.text, columns: decoding.columns, scratch: scratch,
      pace: pace)
    scorer = (decoding, made)
    return made
  }
}
