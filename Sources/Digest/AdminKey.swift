/// A key to the control plane: as an endpoint's, with the prefix `swa_`.
///
/// Nobody reads it back: only its hash is kept. 256 random bits need no slow hash and no salt.
package enum AdminKey {
  package static func make() -> String { EndpointKey.make(prefix: prefix) }

  package static func isWellFormed(_ key: String) -> Bool {
    EndpointKey.isWellFormed(key, prefix: prefix)
  }

  /// What is stored: SHA-256 of the key's text.
  package static func hash(_ key: some Sequence<UInt8>) -> [UInt8] {
    SHA256.bytes(of: Array(key))
  }

  private static let prefix = "swa_"
}
