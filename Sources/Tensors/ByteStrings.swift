/// Many byte strings in one buffer: the elements of a string tensor.
///
/// An element is bytes, usually UTF-8; it may hold NUL.
package struct ByteStrings: Sendable, Equatable {
  private var bytes: [UInt8] = []
  /// Where each element ends in `bytes`.
  private var ends: [Int] = []

  package init() {}

  package init(_ strings: some Sequence<String>) {
    for string in strings { append(string.utf8) }
  }

  /// `count` empty strings.
  package init(empty count: Int) { ends = [Int](repeating: 0, count: count) }

  package var count: Int { ends.count }
  /// Bytes of all elements together.
  package var byteCount: Int { bytes.count }

  package mutating func reserve(elements: Int, bytes byteCount: Int) {
    ends.reserveCapacity(elements)
    bytes.reserveCapacity(byteCount)
  }

  package mutating func append(_ element: some Sequence<UInt8>) {
    bytes.append(contentsOf: element)
    ends.append(bytes.count)
  }

  package mutating func append(_ element: String) { append(element.utf8) }

  package mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    ends.removeAll(keepingCapacity: true)
  }

  /// The bytes of element `index`, `0..<count`.
  package subscript(index: Int) -> ArraySlice<UInt8> {
    bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }

  /// Element `index` as text; bytes that are no UTF-8 become U+FFFD.
  package func string(at index: Int) -> String {
    String(decoding: self[index], as: UTF8.self)
  }

  package var strings: [String] { (0..<count).map(string(at:)) }
}
