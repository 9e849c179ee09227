/// One typed, row-major block of numbers or strings.
///
/// A value: copies share memory until one of them is written to. Numbers lie in a
/// `TensorBuffer`; strings in `ByteStrings`.
package struct Tensor: Sendable {
  package private(set) var elementType: ElementType
  package private(set) var shape: Shape

  private var buffer: TensorBuffer
  private var byteOffset: Int

  /// A tensor of zeros (or of empty strings).
  package init(_ elementType: ElementType, shape: Shape) {
    self.elementType = elementType
    self.shape = shape
    byteOffset = 0
    if elementType == .string {
      buffer = TensorBuffer(text: ByteStrings(empty: shape.elementCount))
    } else {
      buffer = TensorBuffer(byteCount: shape.elementCount * elementType.byteSize)
    }
  }

  /// A tensor that lies in `buffer` from `byteOffset` on, which must fit and be a multiple of the
  /// element's size.
  package init(
    _ elementType: ElementType, shape: Shape, buffer: TensorBuffer, byteOffset: Int = 0
  ) {
    precondition(elementType != .string, "strings do not lie in a buffer")
    let end = byteOffset + shape.elementCount * elementType.byteSize
    precondition(
      byteOffset >= 0 && end <= buffer.byteCount,
      "bytes \(byteOffset)..<\(end) of a buffer of \(buffer.byteCount)")
    self.elementType = elementType
    self.shape = shape
    self.buffer = buffer
    self.byteOffset = byteOffset
  }

  /// A tensor of these values. Precondition: `values.count == shape.elementCount`.
  package init<Element: TensorElement>(_ values: [Element], shape: Shape) {
    precondition(values.count == shape.elementCount, "\(values.count) values for \(shape)")
    self.init(Element.elementType, shape: shape)
    unsafe values.withUnsafeBytes { source in
      unsafe buffer.bytes.copyMemory(from: source)
    }
  }

  /// A tensor of these strings. Precondition: `strings.count == shape.elementCount`.
  package init(strings: ByteStrings, shape: Shape) {
    precondition(strings.count == shape.elementCount, "\(strings.count) strings for \(shape)")
    elementType = .string
    self.shape = shape
    buffer = TensorBuffer(text: strings)
    byteOffset = 0
  }

  /// Rows of a batch: the first dimension, 1 for a scalar.
  package var rowCount: Int { shape.rank == 0 ? 1 : shape[0] }

  package var byteCount: Int { shape.elementCount * elementType.byteSize }

  /// The elements, read only. `Element` must be the type that its `storage` says: `UInt8` for
  /// `bool`, `UInt16` for `bfloat16`.
  @_lifetime(borrow self)
  package func values<Element: TensorElement>(as _: Element.Type = Element.self) -> Span<Element> {
    checkAccess(Element.self)
    let elements = unsafe UnsafeBufferPointer(
      start: address?.assumingMemoryBound(to: Element.self),
      count: address == nil ? 0 : shape.elementCount)
    let span = unsafe Span(_unsafeElements: elements)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The elements, to be written. Copies the memory first unless this tensor alone holds it.
  @_lifetime(&self)
  package mutating func mutableValues<Element: TensorElement>(
    as _: Element.Type = Element.self
  ) -> MutableSpan<Element> {
    checkAccess(Element.self)
    makeUnique()
    let elements = unsafe UnsafeMutableBufferPointer(
      start: address?.assumingMemoryBound(to: Element.self),
      count: address == nil ? 0 : shape.elementCount)
    let span = unsafe MutableSpan(_unsafeElements: elements)
    return unsafe _overrideLifetime(span, mutating: &self)
  }

  /// The elements' bytes as they lie in memory (little endian on every machine we run on).
  package var bytes: RawSpan {
    @_lifetime(borrow self)
    get {
      let raw = unsafe UnsafeRawBufferPointer(start: address, count: byteCount)
      let span = unsafe RawSpan(_unsafeBytes: raw)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// The elements' bytes, at whatever address a mapped file has them: what uses weights in place
  /// asks for these, everybody else gets aligned ones. `Element` as for `values`.
  @_lifetime(borrow self)
  package func unalignedBytes<Element: TensorElement>(as _: Element.Type) -> RawSpan {
    checkAccess(Element.self)
    let start = unsafe unalignedAddress
    let raw = unsafe UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : byteCount)
    let span = unsafe RawSpan(_unsafeBytes: raw)
    return unsafe _overrideLifetime(span, borrowing: self)
  }

  /// The elements of a string tensor.
  package var strings: ByteStrings {
    precondition(elementType == .string, "a tensor of \(elementType.name) has no strings")
    return buffer.text ?? ByteStrings()
  }

  /// The same elements in another shape. Precondition: as many elements.
  package func reshaped(to shape: Shape) -> Tensor {
    precondition(
      shape.elementCount == self.shape.elementCount, "\(self.shape) cannot become \(shape)")
    var copy = self
    copy.shape = shape
    return copy
  }

  /// Some of the rows, in this tensor's memory. Precondition: it has them.
  package func rows(_ range: Range<Int>) -> Tensor {
    precondition(shape.rank > 0 && range.lowerBound >= 0 && range.upperBound <= rowCount)
    let part = shape.withRows(range.count)
    let width = rowCount == 0 ? 0 : shape.elementCount / rowCount
    if elementType == .string {
      var text = ByteStrings()
      for index in (range.lowerBound * width)..<(range.upperBound * width) {
        text.append(strings[index])
      }
      return Tensor(strings: text, shape: part)
    }
    return Tensor(
      elementType, shape: part, buffer: buffer,
      byteOffset: byteOffset + range.lowerBound * width * elementType.byteSize)
  }

  /// Writes the elements of each of `parts` behind those of the one before, as the rows of one
  /// tensor whose memory is used again.
  ///
  /// - Precondition: `parts` are of this tensor's type, have elements, and differ in their first
  ///   dimension at most.
  package mutating func join(_ parts: [Tensor]) {
    guard let first = parts.first else { return }
    let shape = first.shape.withRows(parts.reduce(0) { $0 + $1.rowCount })
    if elementType == .string {
      var joined = ByteStrings()
      for part in parts {
        let strings = part.strings
        for index in 0..<strings.count { joined.append(strings[index]) }
      }
      return setStrings(joined, shape: shape)
    }
    reuse(shape: shape)
    var place = 0
    for part in parts {
      precondition(
        part.elementType == elementType && place + part.shape.elementCount <= shape.elementCount,
        "\(part.elementType.name) \(part.shape) is no part of \(elementType.name) \(shape)")
      copyElements(from: part, start: 0, stride: 1, count: part.shape.elementCount, to: place)
      place += part.shape.elementCount
    }
  }

  /// Gives this tensor another shape, keeping its memory when that is large enough and nobody
  /// else holds it. What the elements are afterwards is not said: they are to be written.
  package mutating func reuse(shape: Shape) {
    self.shape = shape
    if elementType == .string {
      buffer = TensorBuffer(text: ByteStrings(empty: shape.elementCount))
      return
    }
    if isKnownUniquelyReferenced(&buffer), buffer.isWritable,
      byteOffset + byteCount <= buffer.byteCount
    {
      return
    }
    buffer = TensorBuffer(byteCount: byteCount)
    byteOffset = 0
  }

  /// As `reuse(shape:)`, for elements of another type. Precondition: neither type is string.
  package mutating func reuse(_ type: ElementType, shape: Shape) {
    precondition(type != .string && elementType != .string, "strings have no memory to reuse")
    elementType = type
    reuse(shape: shape)
  }

  /// The memory, if nobody else holds it and it may be written to; this tensor is then empty.
  /// Nil for strings.
  package mutating func takeBuffer() -> TensorBuffer? {
    guard elementType != .string, isKnownUniquelyReferenced(&buffer), buffer.isWritable else {
      return nil
    }
    let taken = buffer
    self = Tensor(elementType, shape: Shape(0), buffer: TensorBuffer.nothing)
    return taken
  }

  /// Tells memory apart that several tensors share.
  package var memoryIdentity: ObjectIdentifier { ObjectIdentifier(buffer) }

  /// Bytes of memory that are this tensor's own or shared with other tensors; 0 where it lies
  /// in a mapped file.
  package var ownedByteCount: Int {
    if let text = buffer.text { return text.byteCount + text.count * 8 }
    return buffer.isWritable ? buffer.byteCount : 0
  }

  /// Bytes of the copy that is made, once, for whoever does not take the elements as they lie;
  /// 0 where they are aligned.
  package var alignedCopyByteCount: Int { buffer.isAligned ? 0 : buffer.byteCount }

  /// Replaces the elements of a string tensor. Precondition: as many as the shape says.
  package mutating func setStrings(_ strings: ByteStrings, shape: Shape) {
    precondition(elementType == .string, "a tensor of \(elementType.name) takes no strings")
    precondition(strings.count == shape.elementCount, "\(strings.count) strings for \(shape)")
    buffer = TensorBuffer(text: strings)
    self.shape = shape
  }

  /// Copies `rows` runs of `count` elements of `source`, which is of the same type and no string
  /// tensor, to `target` and the places after it. `ElementWriter` has checked every index.
  mutating func copyElements(
    from source: borrowing Tensor, start: Int, rows: Int = 1, rowStride: Int = 0, stride: Int,
    count: Int, to target: Int
  ) {
    makeUnique()
    // As they lie in the file: a few rows of a large table are no reason to copy it.
    guard let from = unsafe source.unalignedAddress, let to = unsafe address else { return }
    let size = elementType.byteSize
    for row in 0..<rows {
      let first = start + row * rowStride
      let place = target + row * count
      if stride == 1 {
        unsafe (to + place * size).copyMemory(from: from + first * size, byteCount: count * size)
        continue
      }
      switch size {
      case 1: unsafe Self.copy(UInt8.self, from, first, stride, count, to, place)
      case 2: unsafe Self.copy(UInt16.self, from, first, stride, count, to, place)
      case 4: unsafe Self.copy(UInt32.self, from, first, stride, count, to, place)
      default: unsafe Self.copy(UInt64.self, from, first, stride, count, to, place)
      }
    }
  }

  /// Copies the elements of `source`, which is of the same type and no string tensor, `count` at a
  /// time: to `target`, and each time `step` further. `ElementWriter` has checked every index.
  mutating func spreadElements(
    from source: borrowing Tensor, blocks: Int, count: Int, to target: Int, step: Int
  ) {
    makeUnique()
    guard count > 0, let from = unsafe source.unalignedAddress, let to = unsafe address else {
      return
    }
    let size = elementType.byteSize
    if count == 1, size == 4 {
      let to = unsafe to.assumingMemoryBound(to: UInt32.self) + target
      for block in 0..<blocks {
        unsafe to[block * step] = unsafe from.loadUnaligned(
          fromByteOffset: block * 4, as: UInt32.self)
      }
      return
    }
    for block in 0..<blocks {
      unsafe (to + (target + block * step) * size).copyMemory(
        from: from + block * count * size, byteCount: count * size)
    }
  }

  /// Writes element `place` of `source`, which is of the same type and no string tensor, to
  /// `target`.
  package mutating func setElement(_ target: Int, from source: borrowing Tensor, at place: Int) {
    precondition(source.elementType == elementType && elementType != .string)
    precondition(target >= 0 && target < shape.elementCount)
    precondition(place >= 0 && place < source.shape.elementCount)
    copyElements(from: source, start: place, stride: 1, count: 1, to: target)
  }

  private static func copy<Word: BitwiseCopyable>(
    _: Word.Type, _ from: UnsafeRawPointer, _ start: Int, _ stride: Int, _ count: Int,
    _ to: UnsafeMutableRawPointer, _ target: Int
  ) {
    let to = unsafe to.assumingMemoryBound(to: Word.self) + target
    let size = MemoryLayout<Word>.size
    for index in 0..<count {
      unsafe to[index] = unsafe from.loadUnaligned(
        fromByteOffset: (start + index * stride) * size, as: Word.self)
    }
  }

  private var address: UnsafeMutableRawPointer? {
    unsafe buffer.bytes.baseAddress.map { unsafe $0 + byteOffset }
  }

  private var unalignedAddress: UnsafeRawPointer? {
    unsafe buffer.unalignedBytes.baseAddress.map { unsafe $0 + byteOffset }
  }

  private func checkAccess<Element: TensorElement>(_: Element.Type) {
    precondition(
      elementType.storage == Element.elementType,
      "a tensor of \(elementType.name) read as \(Element.self)")
  }

  private mutating func makeUnique() {
    if isKnownUniquelyReferenced(&buffer), buffer.isWritable { return }
    let copy = TensorBuffer(byteCount: byteCount)
    if let source = unsafe address {
      unsafe copy.bytes.copyMemory(
        from: UnsafeRawBufferPointer(start: source, count: byteCount))
    }
    buffer = copy
    byteOffset = 0
  }
}
