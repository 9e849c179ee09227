// Whole lists of numbers: the answers to big requests are little else.

extension JSONWriter {
  /// `[0.5,2.0]`, as `number` prints each.
  package mutating func list(_ values: Span<Float>) { append(values, width: nil) }
  /// `[0.5,2.0]`, as `number` prints each.
  package mutating func list(_ values: Span<Double>) { append(values, width: nil) }
  /// `[1,2]`.
  package mutating func list(_ values: Span<Int64>) { append(values, width: nil) }

  /// `[[0.5,2.0],[1.0,3.5]]`: rows of `width` numbers. Precondition: `width` is above 0.
  package mutating func table(_ values: Span<Float>, width: Int) { append(values, width: width) }
  /// `[[0.5,2.0],[1.0,3.5]]`: rows of `width` numbers. Precondition: `width` is above 0.
  package mutating func table(_ values: Span<Double>, width: Int) { append(values, width: width) }
  /// `[[1,2],[3,4]]`: rows of `width` numbers. Precondition: `width` is above 0.
  package mutating func table(_ values: Span<Int64>, width: Int) { append(values, width: width) }

  /// Numbers that are written between two looks at the buffer's room.
  private static let chunk = 64

  private mutating func append<Number: ListedNumber>(_ values: Span<Number>, width: Int?) {
    precondition(width.map { $0 > 0 && values.count % $0 == 0 } ?? true, "rows of \(width ?? 0)")
    guard values.count > 0 else { return raw("[]") }
    reserve(values.count * 20)
    byte(UInt8(ascii: "["))
    let rowEnd = width ?? .max
    // In a plain list no row begins and none ends.
    var column = width == nil ? 1 : 0
    var next = 0
    while next < values.count {
      let chunk = next..<min(next + JSONWriter.chunk, values.count)
      unsafe append(room: chunk.count * (NumberText.maxBytes + 3)) { start in
        var cursor = unsafe start
        for index in chunk {
          if column == 0 { unsafe put(UInt8(ascii: "["), at: &cursor) }
          unsafe cursor = values[index].write(at: cursor)
          column &+= 1
          if column == rowEnd {
            unsafe put(UInt8(ascii: "]"), at: &cursor)
            column = 0
          }
          unsafe put(UInt8(ascii: ","), at: &cursor)
        }
        return unsafe cursor
      }
      next = chunk.upperBound
    }
    closeList()
  }
}

@inline(__always) @unsafe
private func put(_ byte: UInt8, at cursor: inout UnsafeMutableRawPointer) {
  unsafe cursor.storeBytes(of: byte, as: UInt8.self)
  unsafe cursor += 1
}

/// A number that lists are written of; `write` needs `NumberText.maxBytes` of room.
private protocol ListedNumber: BitwiseCopyable {
  @unsafe func write(at start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer
}

extension Float: ListedNumber {
  @inline(__always) @unsafe
  fileprivate func write(at start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    unsafe NumberText.write(Double(self), at: start)
  }
}

extension Double: ListedNumber {
  @inline(__always) @unsafe
  fileprivate func write(at start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    unsafe NumberText.write(self, at: start)
  }
}

extension Int64: ListedNumber {
  @inline(__always) @unsafe
  fileprivate func write(at start: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
    unsafe NumberText.write(self, at: start)
  }
}
