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

  func remove() throws(BatchError) {
    do throws(StoreError) {
      try FolderTree.remove(path)
      try DurableFile.syncDirectory(DurableFile.parent(of: path))
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

  var holdsScore: Bool { FolderTree.exists(score) }
}
