/// Builds a tensor from runs of another's elements, whatever their type.
///
/// Operators that only move elements (Transpose, Concat, Gather, Slice, …) are written once:
/// they say which elements follow each other, first to last.
package struct ElementWriter {
  private let elementType: ElementType
  private let shape: Shape
  private let elementSize: Int
  private var tensor: Tensor
  private var text = ByteStrings()
  private var position = 0

  /// - Parameter memory: A tensor of the type to write, whose memory is used again if nobody
  ///   else holds it.
  package init(reusing memory: consuming Tensor, shape: Shape) {
    elementType = memory.elementType
    elementSize = elementType.byteSize
    self.shape = shape
    tensor = memory
    if elementType != .string { tensor.reuse(shape: shape) }
  }

  /// Appends elements `start`, `start + stride`, … of `source`, `count` of them. `stride` may
  /// be 0 or negative.
  ///
  /// Precondition: they exist, and the tensor has room for them.
  package mutating func append(
    from source: borrowing Tensor, start: Int, stride: Int = 1, count: Int
  ) {
    if count <= 0 { return }
    precondition(source.elementType == elementType, "elements of two types in one tensor")
    let last = start + (count - 1) * stride
    let limit = source.shape.elementCount
    precondition(
      start >= 0 && start < limit && last >= 0 && last < limit,
      "elements \(start) to \(last) of \(limit)")
    precondition(position + count <= shape.elementCount, "more elements than \(shape) has")
    if elementType == .string {
      let strings = source.strings
      for index in 0..<count { text.append(strings[start + index * stride]) }
    } else {
      tensor.copyElements(
        from: source, start: start, stride: stride, count: count, to: position)
    }
    position += count
  }

  /// The tensor. Precondition: every element has been written.
  package consuming func finish() -> Tensor {
    precondition(position == shape.elementCount, "\(position) elements written of \(shape)")
    if elementType == .string { tensor.setStrings(text, shape: shape) }
    return tensor
  }
}
