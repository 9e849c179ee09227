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

  /// The same for `rows` runs, each `rowStride` after the one before.
  package mutating func append(
    from source: borrowing Tensor, start: Int, rows: Int, rowStride: Int, stride: Int, count: Int
  ) {
    if rows <= 0 || count <= 0 { return }
    if elementType == .string || rows == 1 {
      for row in 0..<rows {
        append(from: source, start: start + row * rowStride, stride: stride, count: count)
      }
      return
    }
    precondition(source.elementType == elementType, "elements of two types in one tensor")
    // A place is linear in both counters: the corners bound all of them.
    let limit = source.shape.elementCount
    let width = (count - 1) * stride
    let height = (rows - 1) * rowStride
    for corner in [start, start + width, start + height, start + width + height] {
      precondition(corner >= 0 && corner < limit, "element \(corner) of \(limit)")
    }
    precondition(position + rows * count <= shape.elementCount, "more elements than \(shape) has")
    tensor.copyElements(
      from: source, start: start, rows: rows, rowStride: rowStride, stride: stride, count: count,
      to: position)
    position += rows * count
  }

  /// Appends `blocks` blocks: of each of `parts` a run of as many elements as `runs` says, from
  /// behind the run of the block before.
  package mutating func append(blocks: Int, of parts: [Tensor], runs: [Int]) {
    let width = runs.reduce(0, +)
    guard elementType != .string else {
      for block in 0..<blocks {
        for (part, run) in zip(parts, runs) {
          append(from: part, start: block * run, count: run)
        }
      }
      return
    }
    precondition(position + blocks * width <= shape.elementCount, "more elements than \(shape) has")
    var place = position
    for (part, run) in zip(parts, runs) {
      precondition(part.elementType == elementType, "elements of two types in one tensor")
      precondition(
        run >= 0 && part.shape.elementCount == blocks * run,
        "\(blocks) runs of \(run) in \(part.shape.elementCount) elements")
      tensor.spreadElements(from: part, blocks: blocks, count: run, to: place, step: width)
      place += run
    }
    position += blocks * width
  }

  /// The tensor. Precondition: every element has been written.
  package consuming func finish() -> Tensor {
    precondition(position == shape.elementCount, "\(position) elements written of \(shape)")
    if elementType == .string { tensor.setStrings(text, shape: shape) }
    return tensor
  }
}
