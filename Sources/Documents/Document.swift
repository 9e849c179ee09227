/// A value of a document with its place in it: typed getters report the path when they fail.
package struct Document: Sendable {
  package let value: DocumentValue
  /// What an error calls the whole: a file name, `request body`.
  package let source: String
  /// Where this value stands: `$`, `$.traffic.blue`, `$.inputs[0]`.
  package let path: String

  package init(_ value: DocumentValue, source: String, path: String = "$") {
    self.value = value
    self.source = source
    self.path = path
  }
}
