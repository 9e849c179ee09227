internal import Documents
internal import Glibc
internal import Registry
internal import Serving
internal import Store

/// `_SUCCESS.json`: what was read, with what, and what came out. It is written last.
struct JobManifest {
  var job: StoredJob
  var model: ModelVersion
  var files: [JobFile]
  var endedAt: Int64

  /// The text; its lists have a line for each file, so that they need no tree.
  func text() -> [UInt8] {
    var writer = JSONWriter()
    writer.document(.object(head), pretty: true)
    var text = JSONWriter()
    // Without the end of the object and the line end before it.
    writer.bytes.dropLast(2).withUnsafeBytes { text.raw(bytes: $0) }
    list("outputs", outputs.map { Self.entry($0.path, $0.state) }, to: &text)
    list("input_files", files.lazy.map(Self.entry), to: &text)
    text.raw("\n}\n")
    return text.bytes
  }

  private func list(
    _ name: StaticString, _ entries: some Sequence<DocumentValue>, to text: inout JSONWriter
  ) {
    text.raw(",\n  \"")
    text.raw(name)
    text.raw("\": [")
    var isFirst = true
    for entry in entries {
      text.raw(isFirst ? "\n    " : ",\n    ")
      isFirst = false
      text.document(entry)
    }
    text.raw(isFirst ? "]" : "\n  ]")
  }

  /// `job` stands first: `isOutput` looks for it there.
  private var head: DocumentObject {
    let order = job.job.order
    let progress = job.progress
    var object = DocumentObject()
    object["job"] = .string(order.name)
    object["endpoint"] = .string(order.endpoint)
    object["deployment"] = .string(order.deployment)
    object["model"] = [
      "name": .string(model.name), "version": .string(model.version),
      "content_hash": .string(model.contentHash),
    ]
    object["rows"] = [
      "scored": .integer(Int64(progress.scoredRows)),
      "failed": .integer(Int64(progress.failedRows)),
    ]
    object["mini_batches"] = .integer(Int64(progress.begunMiniBatches))
    var input = DocumentObject()
    input["address"] = .string(order.input.address)
    input["glob"] = order.input.glob.map { .string($0) }
    input["files"] = .integer(Int64(progress.totalFiles))
    input["bytes"] = .integer(Int64(progress.totalBytes))
    object["input"] = .object(input)
    object["settings"] = order.settings.document
    object["created_at"] = .integer(job.job.createdAt)
    object["started_at"] = job.job.startedAt.map { .integer($0) } ?? .null
    object["ended_at"] = .integer(endedAt)
    object["duration_ms"] = .integer(endedAt &- (job.job.startedAt ?? job.job.createdAt))
    return object
  }

  /// Files of the output by their paths in it.
  private var outputs: [(path: String, state: JobProgress.FileState)] {
    let settings = job.job.order.settings
    let paths = OutputPaths(settings, folder: "")
    var outputs: [(path: String, state: JobProgress.FileState)] = []
    if paths.isPerFile {
      for file in files {
        guard let output = file.result?.output else { continue }
        outputs.append((OutputPaths.name(for: file.path, settings.outputFormat), output))
      }
    } else if paths.writesPredictions {
      outputs.append((settings.outputFileName, job.progress.output))
    }
    outputs.append((OutputPaths.errorsName, job.progress.errors))
    return outputs
  }

  /// Looks whether every file that is listed lies there in its size; what it holds was hashed when
  /// it was written, or when the job was gone on with.
  ///
  /// - Throws: `.outputLost` when one does not.
  func checkOutputs(in folder: String) throws(BatchError) {
    for output in outputs {
      try AppendedFile.checkSize(folder + "/" + output.path, output.state)
    }
  }

  /// The hash of no bytes.
  private static let emptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

  private static func entry(_ path: String, _ state: JobProgress.FileState) -> DocumentValue {
    [
      "path": .string(path), "bytes": .integer(Int64(state.byteCount)),
      "sha256": .string(state.byteCount == 0 ? emptyHash : state.hash),
    ]
  }

  private static func entry(_ file: JobFile) -> DocumentValue {
    [
      "path": .string(file.path), "bytes": .integer(Int64(file.stamp.byteCount)),
      "sha256": .string(file.result?.sha256 ?? ""),
      "rows": .integer(Int64(file.result?.rowCount ?? 0)),
      "failed": .integer(Int64(file.result?.failedCount ?? 0)),
    ]
  }

  func write(_ text: [UInt8], to path: String) throws(BatchError) {
    do throws(StoreError) {
      try DurableFile.write(text, to: path)
    } catch {
      throw BatchError(error)
    }
  }

  /// Whether what lies at the order's output is the finished output of this job.
  ///
  /// - Throws: When it cannot be told.
  static func isOutput(of order: JobOrder) throws(BatchError) -> Bool {
    let path = order.output.folder + "/" + OutputPaths.manifestName
    let file: Int32
    do throws(StoreError) {
      let root = try ContainedFolder(order.output.root)
      guard try root.exists(path) else { return false }
      file = try root.open(path)
    } catch {
      throw BatchError(error)
    }
    defer { close(file) }
    var wanted = JSONWriter()
    wanted.raw("{\n  \"job\": ")
    wanted.string(order.name)
    wanted.raw(",")
    var bytes = [UInt8](repeating: 0, count: wanted.bytes.count)
    var found: [UInt8] = []
    while found.count < bytes.count {
      let count = read(file, &bytes, bytes.count - found.count)
      if count == 0 { break }
      if count > 0 {
        found += bytes[..<count]
      } else if errno != EINTR {
        throw .system(errno, "reading \(OutputPaths.manifestName) of \(order.output.address)")
      }
    }
    return found == wanted.bytes
  }
}
