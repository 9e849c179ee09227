internal import Registry
internal import Store
internal import Synchronization

/// What of an order can be refused before there is a job.
struct OrderCheck {
  let surroundings: JobSurroundings

  func check(_ order: JobOrder) throws(BatchError) {
    guard order.name.utf8.count <= JobOrder.maxNameBytes else {
      throw .refused(JobOrder.tooLongName(order.name))
    }
    guard !order.name.isEmpty, order.name != ".", order.name != "..",
      !order.name.utf8.contains(UInt8(ascii: "/")),
      !order.name.utf8.contains(0), order.name.utf8.first != UInt8(ascii: ".")
    else { throw .refused("'\(order.name)' cannot be the name of a job") }
    try OutputPaths.check(order.settings)
    do {
      _ = try surroundings.registry.find(name: order.model, version: order.modelVersion)
    } catch RegistryError.store(let error) {
      throw BatchError(error)
    } catch {
      throw .unknownModel("\(error)")
    }
    let listing = try InputListing(order.input)
    try listing.check()
    try checkNames(order, listing)
    let parts = pathParts(order.output.folder).filter { !$0.isEmpty && $0 != "." }
    guard !parts.isEmpty else {
      throw .outputExists(order.output.address)
    }
    try checkPlace(order.output)
    try checkWritable(order)
  }

  /// The output appears when all rows are scored: that it could not is told before.
  private func checkWritable(_ order: JobOrder) throws(BatchError) {
    let work = try WorkFolder.path(for: order, in: surroundings.workFolder)
    do throws(StoreError) {
      let root = try ContainedFolder(order.output.root)
      try root.checkWritable(order.output.folder)
      if !work.hasPrefix(surroundings.workFolder + "/") {
        // On another file system the job works in the root itself.
        try root.checkWritable(pathParts(work).last ?? "")
      }
    } catch .io(_, _, let reason, _) {
      throw .refused("the output \(order.output.address) cannot be written: \(reason)")
    } catch {
      throw BatchError(error)
    }
  }

  /// Whether the output's name is free, and lies in no output that has appeared.
  func checkPlace(_ output: JobOrder.Output) throws(BatchError) {
    do throws(StoreError) {
      guard try !ContainedFolder(output.root).exists(output.folder) else {
        throw StoreError.exists(path: output.folder)
      }
    } catch .exists {
      throw .outputExists(output.address)
    } catch .escapes(let path, let root) {
      throw .refused("the output '\(path)' leads out of \(root)")
    } catch {
      throw BatchError(error)
    }
    let place = OutputPlace(output)
    guard let finished = place.finishedOutputAbove(datastore: surroundings.datastore) else {
      return
    }
    // Of a path, only what the caller has named.
    let name = pathParts(finished).last ?? ""
    throw .outputNested(
      "the output \(output.address) would lie in the folder '\(name)', which is a finished output "
        + "(it has a \(OutputPaths.manifestName)); specify a unique output location")
  }

  /// Tells of a file of predictions that cannot be, or of two with one name, before there is a job. Where
  /// an input has so many files that the caller would wait for it, the job tells, when it has listed them.
  private func checkNames(_ order: JobOrder, _ listing: InputListing) throws(BatchError) {
    let paths = OutputPaths(order.settings, folder: "")
    guard paths.isPerFile else { return }
    let entries = Atomic<Int>(0)
    let folderByteCount = try OutputPaths.folderByteCount(
      of: order, workFolder: surroundings.workFolder)
    do throws(BatchError) {
      try paths.check(
        try listing.paths { () throws(BatchError) in
          let count = entries.add(1, ordering: .relaxed).newValue
          if count > Self.maxNamesChecked { throw .interrupted(.stop) }
        }, folderByteCount: folderByteCount)
    } catch .interrupted {
      return
    }
  }

  private static let maxNamesChecked = 20_000
}
