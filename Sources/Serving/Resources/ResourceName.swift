internal import Documents

/// The rule for names of endpoints and deployments. Source: `AZUREML.md` §1.1.
package enum ResourceName {
  /// What is wrong with a name that is to be created; nil when it may be.
  package static func fault(in name: String) -> String? {
    let bytes = Array(name.utf8)
    let isValid =
      (3...32).contains(bytes.count) && isLetter(bytes[0])
      && (isLetter(bytes[bytes.count - 1]) || isDigit(bytes[bytes.count - 1]))
      && bytes.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
    if isValid { return nil }
    return "a name of 3 to 32 letters, digits and '-' that begins with a letter and ends with "
      + "a letter or digit"
  }

  /// A reference to an endpoint may hold what older files have (`my_endpoint`): whether it
  /// exists is found out when it is looked up.
  static func isReference(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count <= 255
      && name.utf8.allSatisfy {
        isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
      }
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
  }
  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}

extension FieldReader {
  /// The member `name` of a resource that this document creates.
  mutating func createdName(_ field: String) throws(DocumentError) -> String {
    let name = try requiredText(field)
    if let expected = ResourceName.fault(in: name) {
      throw fault(field, expected: expected, .string(name))
    }
    return name
  }

  mutating func referredName(_ field: String) throws(DocumentError) -> String {
    let name = try requiredText(field)
    guard ResourceName.isReference(name) else {
      throw fault(field, expected: "an endpoint's name", .string(name))
    }
    return name
  }
}
