/// A batch's rows in blocks, with a look at the clock between two of them: work past its deadline
/// ends. A row's bits do not depend on its block.
struct RowBlocks {
  /// Trees walked by rows in a block: some milliseconds.
  private static let maxWalks = 1 << 18

  private let rowCount: Int
  private let blockRows: Int
  private var start = 0

  init(rowCount: Int, treeCount: Int) {
    self.rowCount = rowCount
    let rows = max(RowBlocks.maxWalks / max(treeCount, 1), 1)
    // Whole blocks of `BlockTreeKernel`.
    blockRows = rows > 256 ? rows & ~255 : rows
  }

  /// The next rows; nil when all have been given.
  mutating func next(_ scratch: Scratch) throws(ExecutorError) -> Range<Int>? {
    guard start < rowCount else { return nil }
    if start > 0 { try scratch.checkDeadline() }
    let block = start..<min(rowCount, start + blockRows)
    start = block.upperBound
    return block
  }
}
