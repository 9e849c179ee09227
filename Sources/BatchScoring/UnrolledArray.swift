/// JSON Lines, or one JSON array of records or of lists, which becomes JSON Lines on the way: each of
/// its elements a line. pandas writes such arrays (`to_json(orient="records")`), over one line or many.
///
/// Every byte stays where it is: a comma between two elements becomes a line feed, and a line feed
/// becomes a space, or in a string, which may hold none, a carriage return, for which the element is
/// refused as well. So a place in the text is a place in the file, an element is one line whatever it
/// holds, and memory is what is read at once.
///
/// `[]` may be an empty array, or the first of many lines: what stands behind it tells. Behind any other
/// array nothing may stand.
struct UnrolledArray: ByteSource, Sendable {
  private enum Form {
    case unknown, lines, array
  }

  private var source: any ByteSource & Sendable
  private let name: String
  private let rowDepth: Int
  private var form = Form.unknown
  /// Brackets that are open; 0 before the array, and behind it.
  private var depth = 0
  private var isInString = false
  private var isEscaped = false
  private var isClosed = false
  /// Whether anything has come since the last comma between elements, or since the array began.
  private var hasElement = false
  private var hasComma = false
  /// Line feeds before the array's end.
  private var lineFeeds = 0
  private var goesOn = false

  /// - Parameters:
  ///   - name: What errors call it.
  ///   - rowDepth: How deep the lists of a row are nested: one more is an array of rows.
  init(_ source: any ByteSource & Sendable, name: String, rowDepth: Int = 1) {
    self.source = source
    self.name = name
    self.rowDepth = rowDepth
  }

  var interrupt: @Sendable () -> Void { source.interrupt }

  func isIdle(milliseconds: Int32) -> Bool { source.isIdle(milliseconds: milliseconds) }

  mutating func read(
    into buffer: UnsafeMutableRawBufferPointer
  ) throws(BatchError) -> Int {
    switch form {
    case .lines: return try source.read(into: buffer)
    case .array:
      if goesOn { throw goingOn }
      let count = try source.read(into: buffer)
      guard count > 0 || isClosed else {
        throw .text(file: name, reason: "the JSON array is not closed: the file ends too early")
      }
      return try unrolled(UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
    case .unknown:
      var filled = 0
      while form == .unknown, filled < buffer.count {
        let count = try source.read(
          into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
        filled += count
        form = form(
          of: UnsafeRawBufferPointer(rebasing: buffer[..<filled]), isWhole: count == 0)
        if count == 0 { break }
      }
      if form == .unknown { form = .lines }
      guard form == .array else { return filled }
      return try unrolled(UnsafeMutableRawBufferPointer(rebasing: buffer[..<filled]))
    }
  }

  private var goingOn: BatchError {
    .text(
      file: name,
      reason: "the JSON array ends in line \(lineFeeds + 1), and the file goes on behind it; "
        + "expected one array alone, or lines that are a row each")
  }

  /// - Returns: How much of the text counts: what stands behind the array is told at the next read.
  private mutating func unrolled(
    _ text: UnsafeMutableRawBufferPointer
  ) throws(BatchError) -> Int {
    let end = unroll(text)
    guard isClosed, let next = text[end...].firstIndex(where: { !Self.isSpace($0) }) else {
      return text.count
    }
    goesOn = true
    // Nothing would say that this is the file's end.
    if next == 0 { throw goingOn }
    return next
  }

  /// What a text is that begins so. No row of JSON Lines is a list of records, or of lists where it is a
  /// list of numbers itself.
  ///
  /// - Parameter isWhole: Whether it ends there.
  private func form(of start: UnsafeRawBufferPointer, isWhole: Bool) -> Form {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    var rest = start[...]
    if rest.starts(with: mark) { rest = rest.dropFirst(mark.count) }
    rest = rest.drop(while: Self.isSpace)
    guard let first = rest.first else { return .unknown }
    guard first == UInt8(ascii: "[") else { return .lines }
    rest = rest.dropFirst().drop(while: Self.isSpace)
    guard let second = rest.first else { return .unknown }
    guard second == UInt8(ascii: "]") else {
      if second == UInt8(ascii: "{") { return .array }
      var depth = 1
      while rest.first == UInt8(ascii: "["), depth <= rowDepth {
        depth += 1
        rest = rest.dropFirst().drop(while: Self.isSpace)
      }
      if depth > rowDepth { return .array }
      return rest.isEmpty ? .unknown : .lines
    }
    if rest.dropFirst().contains(where: { !Self.isSpace($0) }) { return .lines }
    return isWhole ? .array : .unknown
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }

  /// - Returns: Behind the array's end; where it is open, behind the text.
  private mutating func unroll(_ text: UnsafeMutableRawBufferPointer) -> Int {
    let (space, lineFeed) = (UInt8(ascii: " "), UInt8(ascii: "\n"))
    if isClosed { return 0 }
    for index in text.indices {
      let byte = text[index]
      if byte == lineFeed { lineFeeds += 1 }
      if isInString {
        if byte == lineFeed { text[index] = UInt8(ascii: "\r") }
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isInString = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""):
        isInString = true
        hasElement = true
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        if depth == 0 { text[index] = space } else { hasElement = true }
        depth += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        depth -= 1
        if depth == 0 {
          // Behind a last comma it stays: a line that is no row, and told as such.
          if hasElement || !hasComma { text[index] = lineFeed }
          isClosed = true
          return index + 1
        }
      case UInt8(ascii: ",") where depth == 1:
        // A comma with nothing before it stays, and spoils the line that it begins.
        if hasElement { text[index] = lineFeed }
        hasElement = false
        hasComma = true
      case 0x0A, 0x0D: text[index] = space
      case space, UInt8(ascii: "\t"): break
      default: hasElement = true
      }
    }
    return text.count
  }
}
