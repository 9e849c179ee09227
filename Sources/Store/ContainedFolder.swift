/// A folder that paths from outside cannot leave (`openat2` with `RESOLVE_BENEATH`).
package final class ContainedFolder: Sendable {
  package let path: String
  package init(_ path: String) throws(StoreError) { fatalError("skeleton") }
  /// Opens a regular file below the folder, read only. The caller closes it.
  package func open(_ relativePath: String) throws(StoreError) -> Int32 { fatalError("skeleton") }
}
