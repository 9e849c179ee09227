/// Which names a model and a version may have: they become names of folders.
package enum PackageName {
  /// - Parameter kind: What an error calls it: `model name`, `version`.
  package static func check(_ name: String, kind: String) throws(RegistryError) {
    let bytes = Array(name.utf8)
    guard let first = bytes.first, isLetterOrDigit(first) else {
      throw .invalidName(name, reason: "a \(kind) begins with a letter or digit")
    }
    guard bytes.count <= 255 else {
      throw .invalidName(
        name, reason: "a \(kind) has at most 255 characters, this one \(bytes.count)")
    }
    guard bytes.allSatisfy({ isLetterOrDigit($0) || [0x2e, 0x5f, 0x2d].contains($0) }) else {
      throw .invalidName(name, reason: "a \(kind) has letters, digits, '.', '_' and '-' only")
    }
  }

  private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
  }
}
