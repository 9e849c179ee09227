internal import Glibc
internal import Store

/// Where an output is to appear, so that places can be compared: an output is a folder of its own,
/// in no other one and with no other one in it. It appears by one rename, which needs its name to be
/// free, and nothing is added to what has appeared.
struct OutputPlace: Sendable, Equatable {
  private let names: [String]

  /// - Parameters:
  ///   - root: Links that lead there are followed.
  ///   - folder: Below the root; no link in it is followed when the output appears.
  init(root: String, folder: String) {
    names = Self.names((realPath(root) ?? root) + "/" + folder)
  }

  init(_ output: JobOrder.Output) {
    self.init(root: output.root, folder: output.folder)
  }

  private static func names(_ path: String) -> [String] {
    pathParts(path).filter { !$0.isEmpty && $0 != "." }
  }

  /// `/a/b/c`.
  var path: String { "/" + names.joined(separator: "/") }

  /// The folders that hold it, without `/` itself: `/a` and `/a/b`.
  var above: [String] {
    var folder = ""
    return names.dropLast().map { name in
      folder += "/" + name
      return folder
    }
  }

  /// All that lies in it has a path from `first` on, before `end`, by the bytes.
  var inside: (first: String, end: String) {
    // The byte behind the slash.
    names.isEmpty ? ("/", "0") : (path + "/", path + "0")
  }

  /// The finished output that it would lie in; nil where it lies in none.
  ///
  /// - Parameter datastore: What holds the datastore is not looked at: nobody chose it for a job.
  func finishedOutputAbove(datastore: String) -> String? {
    let store = Self.names(realPath(datastore) ?? datastore)
    let own = names.starts(with: store) ? store.count : 0
    return above.dropFirst(own).first { folder in
      var status = stat()
      return lstat(folder + "/" + OutputPaths.manifestName, &status) == 0
    }
  }
}
