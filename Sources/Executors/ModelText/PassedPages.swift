/// Lets go of the pages of a file that a reader has passed: they stay in the system's page cache and
/// come back when they are read again, but reading a large model takes its form in memory and not
/// the file's size besides.
struct PassedPages {
  private let file: ModelFile?
  private var end = 0
  /// Between two calls of the system.
  private static let stepBytes = 8 << 20

  /// - Parameter file: Nil where the bytes are no file.
  init(_ file: ModelFile?) { self.file = file }

  /// The reader stands at `position` now.
  @inline(__always)
  mutating func pass(_ position: Int) {
    guard let file, position - end >= PassedPages.stepBytes else { return }
    file.releasePages(end..<position)
    end = position
  }
}
