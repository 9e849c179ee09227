/// An answer's header fields in their order, as C strings one behind the other: one piece of
/// memory, whatever their number.
package struct HTTPHeaders: Sendable, ExpressibleByArrayLiteral {
  /// `name NUL value NUL` for each field.
  private(set) var bytes: [UInt8] = []

  package init(reservingBytes byteCount: Int) { bytes.reserveCapacity(byteCount) }

  package init(_ fields: [(name: String, value: String)]) {
    for field in fields { append(field.name, field.value) }
  }

  package init(arrayLiteral fields: (name: String, value: String)...) { self.init(fields) }

  /// Adds a field. A control character in a value becomes a space.
  package mutating func append(_ name: String, _ value: String) {
    append(name) { bytes in
      var value = value
      value.withUTF8 { unsafe bytes.append(contentsOf: $0) }
    }
  }

  /// Adds a field whose value `write` appends.
  package mutating func append(_ name: String, writing write: (inout [UInt8]) -> Void) {
    var name = name
    name.withUTF8 { unsafe bytes.append(contentsOf: $0) }
    bytes.append(0)
    let valueStart = bytes.count
    write(&bytes)
    for index in valueStart..<bytes.count where bytes[index] < 0x20 || bytes[index] == 0x7F {
      bytes[index] = UInt8(ascii: " ")
    }
    bytes.append(0)
  }

  /// Each field as text: for tests, and where an answer is written without the library.
  package var fields: [(name: String, value: String)] {
    var parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    parts.removeLast()
    return stride(from: 0, to: parts.count, by: 2).map { (name: parts[$0], value: parts[$0 + 1]) }
  }
}
