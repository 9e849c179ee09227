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
    list("outputs", outputs, to: &text)
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

  private var outputs: [DocumentValue] {
    let settings = job.job.order.settings
    let paths = OutputPaths(settings, folder: "")
    var outputs: [DocumentValue] = []
    if paths.isPerFile {
      for file in files {
        guard let output = file.result?.output else { continue }
        outputs.append(
          Self.entry(OutputPaths.name(for: file.path, settings.outputFormat), output))
      }
    } else if paths.writesPredictions {
      outputs.append(Self.entry(settings.outputFileName, job.progress.output))
    }
    outputs.append(Self.entry(OutputPaths.errorsName, job.progress.errors))
    return outputs
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

  func write(to path: String) throws(BatchError) {
    do throws(StoreError) {
      try DurableFile.write(text(), to: path)
    } catch {
      throw BatchError(error)
    }
  }

  /// Whether what lies at the order's output is the finished output of this job.
  static func isOutput(of order: JobOrder) -> Bool {
    guard let root = try? ContainedFolder(order.output.root),
      let file = try? root.open(order.output.folder + "/" + OutputPaths.manifestName)
    else { return false }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = read(file, &bytes, bytes.count)
    guard count > 0 else { return false }
    var wanted = JSONWriter()
    wanted.raw("{\n  \"job\": ")
    wanted.string(order.name)
    wanted.raw(",")
    return bytes[..<count].starts(with: wanted.bytes)
  }
}
