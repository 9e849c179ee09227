package import Documents

/// Azure Resource Manager bodies to our specifications and back. Source: `AZUREML.md` §7.4.
///
/// A body becomes the YAML form first and is read by the one reader there is: the same rules
/// and the same errors for YAML and REST. Keys are read in any letter case, null members count
/// as absent. What Azure has no member for travels as text in `properties.properties` under
/// `swerve.…`: a client's GET → PUT keeps it there.
package enum ARM {
  /// The prefix of our own entries in `properties.properties`.
  static let prefix = "swerve."

  /// The members of an object, found in any letter case.
  struct Members {
    private(set) var byName: [String: (key: String, value: DocumentValue)] = [:]
    private(set) var order: [String] = []

    init(_ value: DocumentValue?) {
      guard case .object(let object)? = value else { return }
      for (key, value) in object.members where value != .null {
        let name = key.lowercased()
        if byName.updateValue((key, value), forKey: name) == nil { order.append(name) }
      }
    }

    subscript(name: String) -> DocumentValue? { byName[name.lowercased()]?.value }
  }

  /// The entries of `properties.properties`: ours, without the prefix, and the owner's.
  static func split(
    _ properties: DocumentValue?
  ) -> (own: [String: String], theirs: DocumentObject) {
    var own: [String: String] = [:]
    var theirs = DocumentObject()
    guard case .object(let object)? = properties else { return (own, theirs) }
    for (key, value) in object.members {
      if key.hasPrefix(prefix), case .string(let text) = value {
        own[String(key.dropFirst(prefix.count))] = text
      } else {
        theirs[key] = value
      }
    }
    return (own, theirs)
  }

  static func json(_ value: DocumentValue) -> String {
    var writer = JSONWriter()
    writer.document(value)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  static func value(
    ofJSON text: String, source: String, member: String
  ) throws(DocumentError) -> DocumentValue {
    try JSONReader.read(text, source: "\(source) properties['\(prefix)\(member)']")
  }

  /// `user_assigned` from `userAssigned`; a name without capitals stays.
  static func snakeCase(_ name: String) -> String {
    var text = ""
    for character in name {
      if character.isUppercase {
        if !text.isEmpty { text += "_" }
        text += character.lowercased()
      } else {
        text.append(character)
      }
    }
    return text
  }

  /// `initialDelay` from `initial_delay`.
  static func camelCase(_ name: String) -> String {
    let parts = name.split(separator: "_")
    return parts.enumerated().map { index, part in
      index == 0 ? String(part) : part.prefix(1).uppercased() + part.dropFirst()
    }.joined()
  }
}
