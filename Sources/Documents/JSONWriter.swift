/// Appends JSON to one byte buffer. The one place that prints numbers.
package struct JSONWriter: Sendable {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package mutating func reserve(_ byteCount: Int) { bytes.reserveCapacity(bytes.count + byteCount) }
  package mutating func removeAll() { bytes.removeAll(keepingCapacity: true) }

  /// Text that is JSON already.
  package mutating func raw(_ text: StaticString) { fatalError("skeleton") }
  package mutating func raw(_ text: String) { fatalError("skeleton") }
  package mutating func byte(_ byte: UInt8) { bytes.append(byte) }

  /// A quoted string; control characters, quotes and bytes that are no UTF-8 are made safe.
  package mutating func string(_ text: String) { fatalError("skeleton") }
  package mutating func string(utf8 text: some Sequence<UInt8>) { fatalError("skeleton") }
  package mutating func integer(_ value: some FixedWidthInteger) { fatalError("skeleton") }

  /// The fewest digits that a reader of doubles needs to get exactly this float32;
  /// `NaN`, `Infinity`, `-Infinity` bare.
  package mutating func number(_ value: Float) { fatalError("skeleton") }
  /// The fewest digits that a reader of doubles needs; NaN and infinities bare.
  package mutating func number(_ value: Double) { fatalError("skeleton") }

  package mutating func document(_ value: DocumentValue, pretty: Bool = false) {
    fatalError("skeleton")
  }
}
