internal import Serving
internal import Store

/// Where in its folder a job writes what.
struct OutputPaths: Sendable {
  static let errorsName = "errors.jsonl"
  static let manifestName = "_SUCCESS.json"

  private let settings: BatchSettings
  private let folder: String

  init(_ settings: BatchSettings, folder: String) {
    self.settings = settings
    self.folder = folder
  }

  var writesPredictions: Bool { settings.outputAction == .appendRow }
  var isPerFile: Bool { settings.isPerFile && writesPredictions }

  var errors: String { Self.errors(in: folder) }
  var manifest: String { folder + "/" + Self.manifestName }

  static func errors(in folder: String) -> String { folder + "/" + errorsName }

  /// The one file of predictions; nil where there is none or one for each file.
  var predictions: String? {
    writesPredictions && !isPerFile ? folder + "/" + settings.outputFileName : nil
  }

  /// The predictions for one file of the input.
  func predictions(for path: String) -> String {
    folder + "/" + Self.name(for: path, settings.outputFormat)
  }

  /// `a/part-0.csv.gz` → `a/part-0.csv`.
  static func name(for path: String, _ format: BatchSettings.Format) -> String {
    InputKind.stem(of: path) + "." + format.rawValue
  }

  /// - Parameters:
  ///   - files: Paths of the input.
  ///   - folderByteCount: Of the longest path that the output has while it is written or when it is.
  /// - Throws: Two of them whose predictions would go to one file, or one's into another's place; or
  ///   one whose file could not be made.
  func check(_ files: some Sequence<String>, folderByteCount: Int = 0) throws(BatchError) {
    guard isPerFile else { return }
    var owners = [Self.errorsName: "the list of errors", Self.manifestName: "the manifest"]
    for path in files {
      let name = Self.name(for: path, settings.outputFormat)
      try Self.checkLength(name, for: path, folderByteCount)
      if let other = owners.updateValue("'\(path)'", forKey: name) {
        throw .refused(
          "per_file: the predictions for '\(path)' and \(other) would both be '\(name)'; rename one, "
            + "or leave out per_file")
      }
    }
    for (name, path) in owners {
      for slash in name.utf8.indices where name.utf8[slash] == UInt8(ascii: "/") {
        guard let other = owners[String(name[..<slash])] else { continue }
        throw .refused(
          "per_file: the predictions for \(path) would lie in a folder '\(name[..<slash])', which is "
            + "the file for \(other); rename one, or leave out per_file")
      }
    }
  }

  /// Another ending may be longer than the input's own, and another folder's path too.
  private static func checkLength(
    _ name: String, for path: String, _ folderByteCount: Int
  ) throws(BatchError) {
    let last = pathParts(name).last?.utf8.count ?? 0
    func tooLong(_ what: String, _ count: Int, _ limit: Int) -> BatchError {
      .refused(
        "per_file: the file for the predictions for '\(path)' would have a \(what) of \(count) bytes, "
          + "and may have \(limit); rename the input, or leave out per_file")
    }
    guard last <= maxNameBytes else { throw tooLong("name", last, maxNameBytes) }
    let whole = folderByteCount + 1 + name.utf8.count
    guard whole <= maxPathBytes else { throw tooLong("path", whole, maxPathBytes) }
  }

  /// `NAME_MAX`.
  private static let maxNameBytes = 255
  /// `PATH_MAX`, without the NUL at the end.
  private static let maxPathBytes = 4095

  /// Bytes of the path that an order's output has in its place, or in the work folder before that.
  static func folderByteCount(of order: JobOrder, workFolder: String) throws(BatchError) -> Int {
    let work = WorkFolder(path: try WorkFolder.path(for: order, in: workFolder))
    return max(work.score.utf8.count, OutputPlace(order.output).path.utf8.count)
  }

  /// - Throws: A name that the output cannot have.
  static func check(_ settings: BatchSettings) throws(BatchError) {
    let name = settings.outputFileName
    guard !name.isEmpty, name != ".", name != "..", name.utf8.count <= maxNameBytes,
      !name.utf8.contains(UInt8(ascii: "/")), !name.utf8.contains(0),
      name != errorsName, name != manifestName
    else {
      throw .refused(
        "output_file_name '\(name)': expected the name of a file other than \(errorsName) and "
          + manifestName)
    }
    if let reason = settings.outputFault { throw .refused(reason) }
  }

  /// - Returns: The folder's path.
  func makeFolder(above path: String) throws(BatchError) -> String {
    let folder = DurableFile.parent(of: path)
    do throws(StoreError) {
      try DurableFile.makeDirectory(folder)
    } catch {
      throw BatchError(error)
    }
    return folder
  }

  /// Makes the names of the files last that are made at the start.
  func syncFolder() throws(BatchError) { try Self.sync(folder) }

  /// Makes the names in a folder last.
  static func sync(_ folder: String) throws(BatchError) {
    do throws(StoreError) {
      try DurableFile.syncDirectory(folder)
    } catch {
      throw BatchError(error)
    }
  }
}
