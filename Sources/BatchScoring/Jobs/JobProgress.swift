internal import Documents

/// What a job goes on from: everything before it is on the disk, nothing behind it counts.
struct JobProgress: Sendable, Equatable {
  /// The file that is read on, or next.
  var file = 0
  /// Bytes of its text, unpacked, that are done.
  var offset = 0
  /// Rows in them.
  var row = 0
  /// Rows of them that failed.
  var fileFaults = 0
  /// Bytes of the file as it lies that had been read then, and their hash: `offset` is found
  /// again by reading up to it, and what is read has to be the same.
  var readBytes = 0
  var readHash = ""

  /// Of the file of predictions: the only one, or the one of `file`.
  var output = FileState()
  var errors = FileState()

  var scoredRows = 0
  var failedRows = 0
  var miniBatches = 0
  /// The mini-batch that is not full yet.
  var openFiles = 0
  var openRows = 0
  /// Bytes of the files before `file`.
  var doneBytes = 0
  /// The first row that failed, for the sentence of a job that fails.
  var firstFault: String?
  /// That of the first row that was scored: all others have to be like it.
  var form: RowForm?

  var totalFiles = 0
  var totalBytes = 0

  /// What of an appended file counts.
  struct FileState: Sendable, Equatable {
    var byteCount = 0
    /// Empty for no bytes.
    var hash = ""
  }

  var shown: Job.Progress {
    var shown = Job.Progress()
    shown.scoredRows = scoredRows
    shown.failedRows = failedRows
    shown.miniBatches = begunMiniBatches
    shown.files = file
    shown.totalFiles = totalFiles
    shown.readBytes = doneBytes + readBytes
    shown.totalBytes = totalBytes
    return shown
  }
}

extension JobProgress {
  /// The one that is not full yet is one of them: a job's last one rarely is.
  var begunMiniBatches: Int { miniBatches + (openRows > 0 ? 1 : 0) }

  /// Counts rows into mini-batches: one is full with `miniBatchRows` rows or with
  /// `miniBatchSize` files.
  mutating func count(rows: Int, endsFile: Bool, _ maxRows: Int, _ maxFiles: Int) {
    openRows += rows
    if endsFile { openFiles += 1 }
    guard openRows >= maxRows || openFiles >= maxFiles else { return }
    if openRows > 0 { miniBatches += 1 }
    openRows = 0
    openFiles = 0
  }
}

// MARK: As the database keeps it

extension JobProgress {
  var document: DocumentValue {
    var object = DocumentObject()
    for (name, path) in Self.numbers { object[name] = .integer(Int64(self[keyPath: path])) }
    for (name, path) in Self.texts { object[name] = .string(self[keyPath: path]) }
    object["first_fault"] = firstFault.map { .string($0) }
    object["form"] = form.map { .string($0.description) }
    return .object(object)
  }

  /// What the database has of the job `name`.
  ///
  /// Earlier versions kept NULs of values, which no reader of JSON here takes: these become pictures.
  /// Where nothing can be understood the job has done nothing, and starts over: that is better than
  /// a job that nobody can see or end.
  init(stored text: String, of name: String) {
    let readable = text.replacing(#"\u0000"#, with: #"\u2400"#)
    let source = "job '\(name)'"
    do throws(DocumentError) {
      try self.init(Document(try JSONReader.read(readable, source: source), source: source))
    } catch {
      self.init()
    }
  }

  init(_ document: Document) throws(DocumentError) {
    self.init()
    for (name, path) in Self.numbers {
      self[keyPath: path] = try document.required(name).integer(in: 0...Int.max)
    }
    for (name, path) in Self.texts {
      self[keyPath: path] = try document.required(name).string()
    }
    firstFault = try document.optional("first_fault")?.string()
    if let text = try document.optional("form")?.string() { form = RowForm(text) }
  }

  private static var numbers: KeyValuePairs<String, WritableKeyPath<Self, Int>> {
    [
      "file": \.file, "offset": \.offset, "row": \.row, "file_faults": \.fileFaults,
      "read_bytes": \.readBytes, "output_bytes": \.output.byteCount,
      "error_bytes": \.errors.byteCount, "scored_rows": \.scoredRows,
      "failed_rows": \.failedRows, "mini_batches": \.miniBatches, "open_files": \.openFiles,
      "open_rows": \.openRows, "done_bytes": \.doneBytes, "total_files": \.totalFiles,
      "total_bytes": \.totalBytes,
    ]
  }

  private static var texts: KeyValuePairs<String, WritableKeyPath<Self, String>> {
    ["read_hash": \.readHash, "output_hash": \.output.hash, "error_hash": \.errors.hash]
  }
}
