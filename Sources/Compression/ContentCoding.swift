/// The content codings of HTTP that bodies are read and written in.
package enum ContentCoding: String, Sendable, CaseIterable {
  case gzip
  /// zlib's format (RFC 1950), as HTTP defines it, not the bare stream inside.
  case deflate

  /// The coding that a header value names; nil for another one.
  package init?(headerValue: String) {
    switch headerValue.lowercased() {
    case "gzip", "x-gzip": self = .gzip
    case "deflate": self = .deflate
    default: return nil
    }
  }

  /// The first coding of an `Accept-Encoding` header that we write and that it does not forbid
  /// with `q=0`; nil when it names none of ours.
  package init?(acceptedBy header: String) {
    switch header {
    // What most clients send: of these no more is made.
    case "gzip, deflate", "gzip, deflate, br", "gzip, deflate, br, zstd", "gzip": self = .gzip
    case "identity", "*/*", "": return nil
    default: self.init(listedIn: header)
    }
  }

  private init?(listedIn header: String) {
    for part in header.split(separator: ",") {
      let fields = part.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
      guard let name = fields.first, let coding = ContentCoding(headerValue: name) else {
        continue
      }
      let isForbidden = fields.dropFirst().contains { field in
        guard field.lowercased().hasPrefix("q=") else { return false }
        return Double(field.dropFirst(2)) == 0
      }
      if isForbidden { continue }
      self = coding
      return
    }
    return nil
  }
}

/// Why bytes cannot be decompressed.
package enum CompressionError: Error, Equatable, CustomStringConvertible {
  case malformed(ContentCoding, reason: String)
  case truncated(ContentCoding)
  /// Larger than the limit when decompressed.
  case tooLarge(limit: Int)
  /// Larger than `ratio` times what came: no data is like that, an attack is.
  case amplified(ratio: Int)
  case noMemory

  package var description: String {
    switch self {
    case .malformed(let coding, let reason): "the body is no valid \(coding.rawValue): \(reason)"
    case .truncated(let coding): "the \(coding.rawValue) body ends too early"
    case .tooLarge(let limit): "the body is larger than \(limit) bytes when decompressed"
    case .amplified(let ratio):
      "the body is more than \(ratio) times as large when decompressed; send it as it is"
    case .noMemory: "there is no memory to decompress the body"
    }
  }
}
