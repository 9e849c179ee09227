import Foundation

#if canImport(Glibc)
  import Glibc
#endif

/// An empty folder of its own for one test, removed with all that is in it when nobody holds it any
/// more.
package final class TemporaryFolder: Sendable {
  package let path: String

  /// - Parameter purpose: A part of its name, for who finds one that a killed test left.
  package init(for purpose: String) {
    // Short, as sockets lie in some: the path of one has 107 bytes at most.
    var template = Array("/tmp/swerve-\(purpose)-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      preconditionFailure("no temporary folder: \(String(cString: strerror(errno)))")
    }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}
