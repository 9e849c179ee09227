internal import Executors
internal import Serving
internal import Synchronization

/// Rows of a job's input that are scored together.
struct JobPiece: Sendable {
  enum Content: Sendable {
    case text(TextBlock, FileDecoding)
    case numbers(NumberBlock, FileDecoding)
    /// The file's end; with it, why the rest of it could not be read.
    case fileEnd(sha256: String, fault: String?)
  }

  /// Where the job stands behind a piece.
  struct Place: Sendable, Equatable {
    /// The file's place in the listing.
    var file: Int
    /// The text, unpacked, that is done, and its rows.
    var offset = 0
    var row = 0
    /// The bytes of the file as they lie that had been read by then, and their hash.
    var readBytes = 0
    var readHash = ""
  }

  var content: Content
  var place: Place
}

/// What the rows of one file are read with.
final class FileDecoding: Sendable {
  let columns: PredictionColumns
  /// nil for a file of numbers.
  let text: InputText?

  init(columns: PredictionColumns, text: InputText?) {
    self.columns = columns
    self.text = text
  }
}

/// Reads a job's files one behind the other. Any thread, one at a time.
final class JobReader: Sendable {
  private enum Rows {
    case text(InputText)
    case numbers(NumberCutter)
    case none
  }

  private struct Open {
    var file: WatchedFile
    var decoding: FileDecoding
    var rows: Rows
  }

  private struct State {
    var place: Int
    var open: Open?
    /// Where the first file is read on.
    var resumed: JobProgress?
  }

  private let listing: InputListing
  private let files: [JobFile]
  private let signature: ModelSignature
  private let columns: @Sendable (JobFile) -> PredictionColumns
  private let limits: RowCutter.Limits
  private let hasGlob: Bool
  private let checkInterruption: InterruptionCheck
  private let state: Mutex<State>

  init(
    _ listing: InputListing, files: [JobFile], hasGlob: Bool, from progress: JobProgress,
    signature: ModelSignature, limits: RowCutter.Limits,
    checkInterruption: @escaping InterruptionCheck,
    columns: @escaping @Sendable (JobFile) -> PredictionColumns
  ) {
    self.listing = listing
    self.files = files
    self.hasGlob = hasGlob
    self.signature = signature
    self.limits = limits
    self.checkInterruption = checkInterruption
    self.columns = columns
    state = Mutex(State(place: progress.file, resumed: progress))
  }

  /// - Returns: nil behind the last file.
  func next() throws(BatchError) -> JobPiece? {
    try state.withLock { (state) throws(BatchError) in try next(&state) }
  }

  private func next(_ state: inout State) throws(BatchError) -> JobPiece? {
    guard state.place < files.count else { return nil }
    let place = state.place
    if state.open == nil {
      let resumed = state.resumed
      state.resumed = nil
      let watched = try watch(files[place], resumed)
      var open = Open(
        file: watched, decoding: FileDecoding(columns: PredictionColumns(), text: nil),
        rows: .none)
      do throws(BatchError) {
        try begin(&open, at: resumed)
      } catch .text(_, let reason) {
        return try end(&state, watched, fault: reason)
      }
      state.open = open
    }
    guard var open = state.open else { return nil }
    // One owner of the cutter at a time.
    state.open = nil
    do throws(BatchError) {
      let piece = try cut(&open, place)
      if let piece {
        state.open = open
        return piece
      }
    } catch .text(_, let reason) {
      return try end(&state, open.file, fault: reason)
    }
    return try end(&state, open.file, fault: nil)
  }

  private func watch(
    _ file: JobFile, _ resumed: JobProgress?
  ) throws(BatchError) -> WatchedFile {
    var expected: (byteCount: Int, hash: String)?
    if let resumed, resumed.readBytes > 0 { expected = (resumed.readBytes, resumed.readHash) }
    return WatchedFile(
      file, taking: try listing.open(file), expected: expected, checkInterruption)
  }

  private func begin(_ open: inout Open, at progress: JobProgress?) throws(BatchError) {
    let file = open.file.file
    let kind = hasGlob ? .chosen(name: file.path) : InputKind(name: file.path)
    guard let kind else { throw .text(file: file.path, reason: "ends like nothing that is read") }
    let source: any ByteSource & Sendable =
      kind.isPacked ? try UnpackedSource(open.file) : WatchedSource(file: open.file)
    let columns = columns(file)
    switch kind.form {
    case .text(let format):
      let text = try InputText(
        source, name: file.path, format: format, signature: signature, columns: columns,
        limits: limits)
      guard let text else { return }
      if let progress, progress.offset > 0 {
        try text.skip(to: progress.offset, row: progress.row)
      }
      open.decoding = FileDecoding(columns: columns, text: text)
      open.rows = .text(text)
    case .numbers:
      guard signature.inputs.count == 1 else {
        throw .text(
          file: file.path,
          reason: "is one array; the model takes \(signature.inputs.count) inputs")
      }
      // A line of output without them would be one of other columns.
      if let name = columns.carried.first {
        throw .text(
          file: file.path,
          reason: "is an array without names: it has no column '\(name)', which is to be carried")
      }
      if file.stamp.byteCount == 0 { return }
      var cutter = try NumberCutter(
        source, name: file.path, input: signature.inputs[0], maxRows: limits.maxRows)
      if let progress { try cutter.skip(to: progress.row) }
      open.decoding = FileDecoding(columns: columns, text: nil)
      open.rows = .numbers(cutter)
    }
  }

  private func cut(_ open: inout Open, _ place: Int) throws(BatchError) -> JobPiece? {
    let content: JobPiece.Content
    let offset: Int
    let row: Int
    switch open.rows {
    case .none: return nil
    case .text(let text):
      guard let block = try text.next() else { return nil }
      content = .text(block, open.decoding)
      offset = block.offset + block.byteCount
      row = block.firstRow + block.rowCount
    case .numbers(var cutter):
      open.rows = .none
      let block = try cutter.next()
      row = cutter.row
      open.rows = .numbers(cutter)
      guard let block else { return nil }
      content = .numbers(block, open.decoding)
      // Rows tell where an array is read on.
      offset = 0
    }
    let mark = open.file.mark()
    return JobPiece(
      content: content,
      place: JobPiece.Place(
        file: place, offset: offset, row: row, readBytes: mark.byteCount, readHash: mark.hash))
  }

  private func end(
    _ state: inout State, _ file: WatchedFile, fault: String?
  ) throws(BatchError) -> JobPiece {
    let sha256 = try file.finish()
    defer { state.place += 1 }
    return JobPiece(
      content: .fileEnd(sha256: sha256, fault: fault), place: JobPiece.Place(file: state.place))
  }
}
