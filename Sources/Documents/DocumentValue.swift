/// A JSON or YAML document as one tree of values.
package indirect enum DocumentValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int64)
  case double(Double)
  case string(String)
  case array([DocumentValue])
  case object(DocumentObject)
}

/// The members of an object in the order they were written. Keys are unique.
package struct DocumentObject: Sendable, Equatable {
  package private(set) var keys: [String] = []
  private var values: [String: DocumentValue] = [:]

  package init() {}

  package init(_ members: KeyValuePairs<String, DocumentValue>) {
    for (key, value) in members { self[key] = value }
  }

  package var count: Int { keys.count }
  package var isEmpty: Bool { keys.isEmpty }

  /// The member `key`; setting nil removes it, setting a new one appends it.
  package subscript(key: String) -> DocumentValue? {
    get { values[key] }
    set {
      if let newValue {
        if values.updateValue(newValue, forKey: key) == nil { keys.append(key) }
      } else if values.removeValue(forKey: key) != nil {
        keys.removeAll { $0 == key }
      }
    }
  }

  /// The members in order.
  package var members: [(key: String, value: DocumentValue)] {
    keys.map { ($0, values[$0] ?? .null) }
  }

  package static func == (left: DocumentObject, right: DocumentObject) -> Bool {
    left.values == right.values
  }
}

extension DocumentValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral,
  ExpressibleByFloatLiteral, ExpressibleByNilLiteral
{
  package init(stringLiteral value: String) { self = .string(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(floatLiteral value: Double) { self = .double(value) }
  package init(nilLiteral: ()) { self = .null }
  package init(arrayLiteral elements: DocumentValue...) { self = .array(elements) }
  package init(dictionaryLiteral elements: (String, DocumentValue)...) {
    var object = DocumentObject()
    for (key, value) in elements { object[key] = value }
    self = .object(object)
  }
}
