/// Reads JSON texts of documents and envelopes (tensor data has a reader of its own).
package enum JSONReader {
  /// - Throws: `DocumentError.syntax` with line and column; `.tooLarge` beyond `maxDepth` or a
  ///   memory budget of 20 times the text plus 64 KiB. Duplicate keys are errors.
  package static func read(
    _ text: Span<UInt8>, source: String, maxDepth: Int = 64
  ) throws(DocumentError) -> DocumentValue {
    fatalError("skeleton")
  }

  package static func read(_ text: String, source: String) throws(DocumentError) -> DocumentValue {
    var text = text
    return try text.withUTF8Document { (bytes) throws(DocumentError) in
      try read(bytes, source: source)
    }
  }
}

extension String {
  fileprivate mutating func withUTF8Document(
    _ body: (Span<UInt8>) throws(DocumentError) -> DocumentValue
  ) throws(DocumentError) -> DocumentValue {
    try body(Array(utf8).span)
  }
}
