internal import Glibc

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
    var name = name
    name.withUTF8 { unsafe bytes.append(contentsOf: $0) }
    bytes.append(0)
    let valueStart = bytes.count
    var value = value
    value.withUTF8 { unsafe bytes.append(contentsOf: $0) }
    for index in valueStart..<bytes.count where bytes[index] < 0x20 || bytes[index] == 0x7F {
      bytes[index] = UInt8(ascii: " ")
    }
    bytes.append(0)
  }

  /// Adds a field whose value needs no look: an identifier or a number of ours.
  package mutating func append(_ name: StaticString, verbatim value: UnsafeBufferPointer<UInt8>) {
    let nameByteCount = name.utf8CodeUnitCount
    bytes.append(addingCapacity: nameByteCount + value.count + 2) { output in
      unsafe output.withUnsafeMutableBufferPointer { buffer, count in
        guard let start = buffer.baseAddress else { return }
        unsafe memcpy(start, name.utf8Start, nameByteCount)
        unsafe start[nameByteCount] = 0
        if let source = value.baseAddress {
          unsafe memcpy(start + nameByteCount + 1, source, value.count)
        }
        unsafe start[nameByteCount + 1 + value.count] = 0
        count = nameByteCount + value.count + 2
      }
    }
  }

  /// Adds fields that were made once for many answers.
  package mutating func append(_ other: HTTPHeaders) { bytes.append(contentsOf: other.bytes) }

  /// Each field as text: for tests, and where an answer is written without the library.
  package var fields: [(name: String, value: String)] {
    var parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    parts.removeLast()
    return stride(from: 0, to: parts.count, by: 2).map { (name: parts[$0], value: parts[$0 + 1]) }
  }
}

/// A request's header fields as they lie in the library's memory, noted while the head is
/// checked: who looks one up asks no lock and no list of the library's.
@safe struct ReceivedFields {
  @unsafe private struct Field {
    let name: UnsafeBufferPointer<UInt8>
    let value: UnsafeBufferPointer<UInt8>
  }

  private var fields: [Field] = unsafe []

  mutating func removeAll() { unsafe fields.removeAll(keepingCapacity: true) }

  /// Both stay where they are until the request is over.
  @unsafe
  mutating func append(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
    unsafe fields.append(Field(name: name, value: value))
  }

  /// The first value under this name, any letter case. `lowercase` must be in lower case.
  @unsafe
  func value(of lowercase: StaticString) -> UnsafeBufferPointer<UInt8>? {
    for index in unsafe fields.indices
    where unsafe fields[index].name.count == lowercase.utf8CodeUnitCount
      && HeadValidation.equal(fields[index].name.span, lowercase)
    {
      return unsafe fields[index].value
    }
    return nil
  }

  /// How many fields have this name, any letter case. `lowercase` must be in lower case.
  func count(of lowercase: StaticString) -> Int {
    unsafe fields.count { field in
      unsafe HeadValidation.equal(field.name.span, lowercase)
    }
  }
}
