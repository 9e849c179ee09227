internal import Glibc
internal import Store

/// Where an unfinished job keeps what it has written. `score` in it is the folder that will
/// appear as the output, by one rename.
struct WorkFolder: Sendable, Equatable {
  let path: String

  var score: String { path + "/score" }

  /// `workFolder/<job>`, or, for an output on another file system, a hidden folder in its root:
  /// a rename does not cross file systems.
  static func path(
    for order: JobOrder, in workFolder: String
  ) throws(BatchError) -> String {
    do throws(StoreError) {
      let output = try ContainedFolder(order.output.root)
      let work = try ContainedFolder(workFolder)
      return try output.device() == work.device()
        ? workFolder + "/" + order.name : order.output.root + "/.swerve-job-" + order.name
    } catch {
      throw BatchError(error)
    }
  }

  func make() throws(BatchError) {
    do throws(StoreError) {
      try DurableFile.makeDirectory(path, mode: 0o700)
      try DurableFile.makeDirectory(score)
    } catch {
      throw BatchError(error)
    }
  }

  /// Looks whether a folder's file system has so much room now.
  ///
  /// - Throws: `.noSpace` where it has not, `.busy` where no file can be opened.
  static func reserve(_ byteCount: Int, in folder: String) throws(BatchError) {
    let file = open(folder, O_RDWR | unnamedFile | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw .system(errno, "making a file in \(folder)") }
    defer { close(file) }
    let code = posix_fallocate(file, 0, off_t(byteCount))
    guard code == 0 else { throw .system(code, "reserving \(byteCount) bytes in \(folder)") }
  }

  func remove() throws(BatchError) {
    do throws(StoreError) {
      try FolderTree.remove(path)
      try DurableFile.syncDirectory(DurableFile.parent(of: path))
    } catch {
      throw BatchError(error)
    }
  }

  /// Removes all of `score` but the list of errors.
  func removePredictions() throws(BatchError) {
    do throws(StoreError) {
      for entry in try FolderTree.entries(score) where entry.name != OutputPaths.errorsName {
        try FolderTree.remove(score + "/" + entry.name)
      }
    } catch {
      throw BatchError(error)
    }
  }

  /// Makes all that lies in `score` last.
  func sync() throws(BatchError) {
    do throws(StoreError) {
      try DurableFile.syncTree(score)
    } catch {
      throw BatchError(error)
    }
  }

  /// Puts `score` in the output's place, whole.
  ///
  /// - Throws: `.outputExists` where something is there.
  func publish(as output: JobOrder.Output) throws(BatchError) {
    do throws(StoreError) {
      try ContainedFolder(output.root).adopt(score, as: output.folder)
    } catch .exists {
      throw .outputExists(output.address)
    } catch {
      throw BatchError(error)
    }
  }

  /// Makes the name of an output that is in its place last.
  static func syncName(of output: JobOrder.Output) throws(BatchError) {
    do throws(StoreError) {
      try ContainedFolder(output.root).syncName(of: output.folder)
    } catch {
      throw BatchError(error)
    }
  }

  var holdsScore: Bool { FolderTree.exists(score) }
}

/// `O_TMPFILE` of fcntl.h, which Glibc's module does not show: a file that goes when it is closed.
private let unnamedFile = 0o20_000_000 | O_DIRECTORY
