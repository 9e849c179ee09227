internal import Glibc
internal import Store

/// The list of rows that failed which a job leaves that failed itself.
///
/// Its output never appears, so the list goes where Azure keeps the logs of a job: beside the
/// output's usual place, `azureml/<job>/logs/errors.jsonl` in the default datastore. No other file
/// lies there, and no `_SUCCESS.json`: nobody takes it for an output.
package enum FailedRows {
  /// The folder below the datastore.
  package static func folder(ofJob name: String) -> String { "azureml/\(name)/logs" }

  /// The file below the datastore.
  package static func path(ofJob name: String) -> String {
    folder(ofJob: name) + "/" + OutputPaths.errorsName
  }

  /// Where the list of a job is; nil where it left none, as one does of which no row failed.
  package static func path(of job: Job, in datastore: String) -> String? {
    guard job.status == .failed else { return nil }
    let path = path(ofJob: job.order.name)
    return FolderTree.exists(datastore + "/" + path) ? path : nil
  }

  /// Moves the list from a job's work folder to its place. What is there stays: this job may have
  /// put it there before a crash, and nothing else is ever written over.
  ///
  /// - Throws: When the list is still in the work folder.
  static func keep(
    from work: WorkFolder, ofJob name: String, in datastore: String
  ) throws(BatchError) {
    let list = OutputPaths.errors(in: work.score)
    var status = stat()
    guard lstat(list, &status) == 0, status.st_size > 0 else { return }
    do throws(StoreError) {
      let root = try ContainedFolder(datastore)
      try DurableFile.syncFile(list)
      if try root.device() == UInt64(status.st_dev) {
        try root.adopt(list, as: path(ofJob: name))
      } else {
        try copy(list, ofJob: name, into: root)
      }
    } catch .exists {
      return
    } catch {
      throw BatchError(error)
    }
  }

  /// A rename does not cross file systems.
  private static func copy(
    _ list: String, ofJob name: String, into root: ContainedFolder
  ) throws(StoreError) {
    let aside = root.path + "/.swerve-errors-" + name
    try FolderTree.remove(aside)
    let file = open(list, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { throw .system(errno, path: list, operation: "open") }
    defer { close(file) }
    do throws(StoreError) {
      try DurableFile.copy(from: file, to: aside)
      try root.adopt(aside, as: path(ofJob: name))
    } catch {
      unlink(aside)
      throw error
    }
  }
}
