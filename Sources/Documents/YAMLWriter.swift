/// Prints a document as YAML, as `az ml … -o yaml` does: block style, two spaces.
package enum YAMLWriter {
  package static func text(_ value: DocumentValue) -> String { fatalError("skeleton") }
}
