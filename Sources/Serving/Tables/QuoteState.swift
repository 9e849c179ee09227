/// Where in a row of CSV a byte stands. One rule for all who look for a row's end: a quote opens a
/// cell only at its beginning, and behind the one that closes it the rest of the cell is plain.
package enum QuoteState: Sendable {
  case cellStart
  case cell
  case quoted
  /// Behind a quote in a quoted cell: it closes the cell, or another makes it one of the text.
  case behindQuote

  /// Goes on by a byte.
  ///
  /// - Returns: Whether it ends the row.
  @inline(__always)
  package mutating func take(_ byte: UInt8) -> Bool {
    switch self {
    case .quoted:
      if byte == UInt8(ascii: "\"") { self = .behindQuote }
      return false
    case .cellStart where byte == UInt8(ascii: "\""), .behindQuote where byte == UInt8(ascii: "\""):
      self = .quoted
      return false
    case .cellStart, .cell, .behindQuote:
      self = byte == UInt8(ascii: ",") || byte == 0x0A ? .cellStart : .cell
      return byte == 0x0A
    }
  }
}
