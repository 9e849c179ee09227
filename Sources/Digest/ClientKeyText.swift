/// A client's key to one endpoint: as an endpoint's own, with the prefix `swc_`. Only its hash is
/// kept, as an admin key's.
package enum ClientKeyText {
  package static func make() -> String { EndpointKey.make(prefix: "swc_") }

  /// What is stored: SHA-256 of the key's text.
  package static func hash(_ key: some Sequence<UInt8>) -> [UInt8] { AdminKey.hash(key) }
}
