import Executors
import Tensors

extension OperatorTable {
  static let rotating: [OperatorDefinition] = [
    OperatorDefinition(
      "RotaryEmbedding", [23], [.float32], others: [.same, .same, .int64], minInputs: 3,
      maxInputs: 4
    ) { context throws(ModelFormatError) in
      let heads = try context.integer("num_heads") ?? 0
      let size = try context.integer("rotary_embedding_dim") ?? 0
      guard heads >= 0, size >= 0, size % 2 == 0 else {
        throw context.malformed("num_heads is \(heads) and rotary_embedding_dim \(size)")
      }
      return BuiltOperator(
        RotaryEmbedding(
          heads: heads, size: size, isInterleaved: try context.integer("interleaved") ?? 0 != 0),
        .float32)
    }
  ]
}

/// Turns pairs of values in each head by an angle that their position gives.
///
/// X is `(batch, heads, sequence, size)` or `(batch, sequence, heads · size)`; the caches are
/// `(positions, rotated / 2)`, or `(batch, sequence, rotated / 2)` without position ids.
struct RotaryEmbedding: Operator {
  let heads: Int
  /// How many values of a head are turned; 0: all.
  let size: Int
  /// Pairs are neighbours; else a value's partner is half the turned values away.
  let isInterleaved: Bool
  var sharesInput: Bool { true }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let layout = try HeadLayout(input.shape, heads: heads)
    let rotated = size == 0 ? layout.size : size
    guard rotated <= layout.size, rotated % 2 == 0 else {
      throw OperatorError("\(rotated) of \(layout.size) values are to be turned")
    }
    if input.shape.elementCount == 0 { return scratch.give(0, input) }
    let cosines = try scratch.input(1)
    let sines = try scratch.input(2)
    let rows = try cacheRows(
      scratch.optionalInput(3), cosines.shape, sines.shape, layout, half: rotated / 2)
    var output = try scratch.memory(0, input.shape)
    do {
      let source = input.values(as: Float.self)
      let cosine = cosines.values(as: Float.self)
      let sine = sines.values(as: Float.self)
      var target = output.mutableValues(as: Float.self)
      for index in 0..<source.count { target[unchecked: index] = source[unchecked: index] }
      let half = rotated / 2
      for batch in 0..<layout.batches {
        for place in 0..<layout.length {
          let row = rows[batch * layout.length + place] * half
          for head in 0..<layout.heads {
            let first = layout.start(batch, head, place)
            for pair in 0..<half {
              let left = first + (isInterleaved ? 2 * pair : pair)
              let right = isInterleaved ? left + 1 : left + half
              let (x, y) = (source[left], source[right])
              target[left] = cosine[row + pair] * x - sine[row + pair] * y
              target[right] = sine[row + pair] * x + cosine[row + pair] * y
            }
          }
        }
      }
    }
    scratch.give(0, output)
  }

  /// The row of the caches for each place of the input.
  private func cacheRows(
    _ positions: Tensor?, _ cosines: Shape, _ sines: Shape, _ layout: HeadLayout, half: Int
  ) throws(OperatorError) -> [Int] {
    let places = layout.batches * layout.length
    let expectedRank = positions == nil ? 3 : 2
    guard cosines == sines, cosines.rank == expectedRank, cosines[expectedRank - 1] == half else {
      throw OperatorError("caches of \(cosines) and \(sines) for \(half) pairs")
    }
    guard let positions else {
      guard cosines[0] == layout.batches, cosines[1] == layout.length else {
        throw OperatorError("caches of \(cosines) for \(layout.length) places")
      }
      return Array(0..<places)
    }
    guard positions.shape.array == [layout.batches, layout.length] else {
      throw OperatorError("position ids of \(positions.shape) for \(layout.length) places")
    }
    let rows = try integers(of: positions, input: 3)
    for row in rows where row < 0 || row >= cosines[0] {
      throw OperatorError("position \(row); the caches have \(cosines[0])")
    }
    return rows
  }
}

/// Where the heads of an input lie.
struct HeadLayout {
  let batches: Int
  let heads: Int
  let length: Int
  let size: Int
  /// `(batch, heads, sequence, size)`; else the heads lie beside each other at each place.
  let isSplit: Bool

  init(_ shape: Shape, heads: Int) throws(OperatorError) {
    switch shape.rank {
    case 4:
      isSplit = true
      (batches, self.heads, length, size) = (shape[0], shape[1], shape[2], shape[3])
    case 3:
      guard heads > 0, shape[2] % heads == 0 else {
        throw OperatorError("\(shape[2]) values in \(heads) heads")
      }
      isSplit = false
      (batches, self.heads, length, size) = (shape[0], heads, shape[1], shape[2] / heads)
    default:
      throw OperatorError("shape \(shape); three or four dimensions were expected")
    }
  }

  @inline(__always) func start(_ batch: Int, _ head: Int, _ place: Int) -> Int {
    isSplit
      ? ((batch * heads + head) * length + place) * size
      : ((batch * length + place) * heads + head) * size
  }
}
