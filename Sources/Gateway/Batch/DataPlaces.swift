internal import BatchScoring
internal import Store
internal import Synchronization

/// Places below the datastore, as their names: what has a name as data stays as it is, so that no job
/// writes into it, above it or around it.
final class DataPlaces: Sendable {
  /// What is just being done with a place.
  private struct Claim {
    var names: [String]
    /// A job is to write there; else it is data that is being given a name.
    var isWritten: Bool
  }

  private let claims = Mutex<[Int: Claim]>([:])
  private let next = Atomic(0)

  /// Runs `body`, which looks whether the place may be written or kept and stores that it is. Two
  /// that exclude each other do not run at a time, as neither would find what the other has not
  /// stored yet.
  ///
  /// - Returns: nil where another one runs that excludes this one.
  func claim<Result>(
    _ names: [String], isWritten: Bool, _ body: () throws(ARMError) -> Result
  ) throws(ARMError) -> Result? {
    let key = next.add(1, ordering: .relaxed).newValue
    let isTaken = claims.withLock { claims in
      let isFree = claims.values.allSatisfy {
        $0.isWritten == isWritten || !Self.overlap($0.names, names)
      }
      if isFree { claims[key] = Claim(names: names, isWritten: isWritten) }
      return isFree
    }
    guard isTaken else { return nil }
    defer { claims.withLock { $0[key] = nil } }
    return try body()
  }

  // MARK: Names

  static func names(_ path: String) -> [String] { pathParts(path).filter { !$0.isEmpty } }

  /// Whether one is the other, or lies in it.
  static func overlap(_ first: some Collection<String>, _ second: some Collection<String>) -> Bool {
    first.starts(with: second) || second.starts(with: first)
  }

  /// The names below the datastore of a path of this machine; nil where it lies elsewhere.
  ///
  /// - Parameter path: Of a root that links may lead to, and names below it.
  static func names(root: String, folder: String, below datastore: String) -> [String]? {
    let whole = names((realPath(root) ?? root) + "/" + folder)
    let store = names(realPath(datastore) ?? datastore)
    return whole.starts(with: store) ? Array(whole.dropFirst(store.count)) : nil
  }

  /// Why a path below the datastore is no data that could keep still: the gateway puts things there
  /// for everybody. Ends a sentence that begins with the address; nil where it may be data.
  static func sharedFolder(_ path: String) -> String? {
    let wanted = names(path)
    let use: String
    switch wanted {
    case []: return "is the whole datastore, in which jobs write; name a folder in it"
    case [JobOrder.Output.defaultFolder]: use = "the output of every job that names none"
    case [DataCopies.folder]: use = "all data that is uploaded"
    case [FailedRows.reserved], [FailedRows.reserved, FailedRows.folderName]:
      use = "what failed of every job"
    default: return nil
    }
    return "holds \(use); a version of a data asset never changes: name one folder of those in it"
  }

  /// Why a file or folder of this machine is not copied into the datastore; nil where it may be.
  static func overlap(of path: String, and datastore: String) -> String? {
    // What does not exist is told when it is to be read.
    guard let source = realPath(path), let store = realPath(datastore) else { return nil }
    let (from, to) = (names(source), names(store))
    guard overlap(from, to) else { return nil }
    if from.count <= to.count {
      return "'\(path)' \(from.count == to.count ? "is" : "holds") the datastore '\(datastore)', "
        + "and would be copied into itself; name what lies in it: "
        + DataAddress.text(datastorePath: "FOLDER")
    }
    let inside = from.dropFirst(to.count).joined(separator: "/")
    return "'\(path)' lies in the datastore '\(datastore)' already and needs no copy; name it "
      + DataAddress.text(datastorePath: inside)
  }
}
