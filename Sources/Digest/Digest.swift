/// A SHA-256, incrementally or at once.
package struct SHA256: ~Copyable {
  package init() { fatalError("skeleton") }
  package mutating func update(_ bytes: RawSpan) { fatalError("skeleton") }
  /// 64 lowercase hexadecimal digits.
  package consuming func hex() -> String { fatalError("skeleton") }
  package static func hex(of bytes: [UInt8]) -> String { fatalError("skeleton") }
  /// Reads the file in blocks. Throws `errno`'s text in `DigestError.unreadable`.
  package static func hex(ofFile path: String) throws(DigestError) -> String {
    fatalError("skeleton")
  }
}

package enum DigestError: Error, Equatable, CustomStringConvertible {
  case unreadable(path: String, reason: String)
  /// A sealed secret that this workspace's secret does not open.
  case sealBroken
  case library(String)

  package var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .sealBroken: "the sealed value does not open with this workspace's secret"
    case .library(let reason): "GnuTLS: \(reason)"
    }
  }
}

/// Random bytes fit for keys.
package enum SecureRandom {
  package static func bytes(_ count: Int) -> [UInt8] { fatalError("skeleton") }
  /// A version 4 UUID in lowercase.
  package static func uuid() -> String { fatalError("skeleton") }
}

/// An endpoint's key: `swk_`, 43 base64url characters of 256 random bits, 6 of a checksum.
package enum EndpointKey {
  package static func make() -> String { fatalError("skeleton") }
  /// Whether the checksum fits. Keys given from files need not have this form.
  package static func isWellFormed(_ key: String) -> Bool { fatalError("skeleton") }
}

/// Compares without telling by its time where the first difference is.
package func equalInConstantTime(_ left: some Collection<UInt8>, _ right: some Collection<UInt8>)
  -> Bool
{ fatalError("skeleton") }

/// Seals secrets that must be read back, with AES-256-GCM under the workspace's secret.
package struct Sealer: Sendable {
  /// - Parameter secret: 32 bytes.
  package init(secret: [UInt8]) { fatalError("skeleton") }
  package func seal(_ plain: [UInt8]) -> [UInt8] { fatalError("skeleton") }
  package func open(_ sealed: [UInt8]) throws(DigestError) -> [UInt8] { fatalError("skeleton") }
}
