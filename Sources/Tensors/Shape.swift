/// The dimensions of a tensor, stored inline: copying a shape allocates nothing.
///
/// Every dimension is at least 0, the rank at most `maxRank`, and the number of elements fits
/// an `Int`; the initialisers that take foreign numbers check all three.
package struct Shape: Sendable {
  package static let maxRank = 8

  // Not `[8 of Int]`: Swift 6.3.1 then takes tensors by address where a span depends on one, and
  // without optimisation releases an initializer's tensor twice (Sources/README.md, Decisions).
  private var dimensions = (1, 1, 1, 1, 1, 1, 1, 1)
  package private(set) var rank: Int

  /// How many elements a tensor of this shape has; 1 for a scalar.
  package private(set) var elementCount: Int

  /// Makes a shape from foreign numbers.
  ///
  /// - Throws: `TensorError.shape` when a dimension is negative, the rank is over `maxRank`, or
  ///   the element count overflows.
  package init(checking dimensions: [Int]) throws(TensorError) {
    guard dimensions.count <= Shape.maxRank else {
      throw .shape(dimensions, reason: "rank is over \(Shape.maxRank)")
    }
    rank = dimensions.count
    elementCount = 1
    var hasZero = false
    // By index, and not generic: this runs for every tensor of every request.
    for axis in 0..<dimensions.count {
      let dimension = dimensions[axis]
      guard dimension >= 0 else {
        throw .shape(dimensions, reason: "dimension \(axis) is negative")
      }
      set(axis, dimension)
      hasZero = hasZero || dimension == 0
      let (product, overflows) = elementCount.multipliedReportingOverflow(by: max(dimension, 1))
      // 16 bytes is the largest element there will be: sizes in bytes cannot overflow either.
      guard !overflows, product <= Int.max / 16 else {
        throw .shape(dimensions, reason: "the number of elements overflows")
      }
      elementCount = product
    }
    if hasZero { elementCount = 0 }
  }

  /// Makes a table's shape from foreign numbers; allocates nothing.
  ///
  /// - Throws: `TensorError.shape`, as `init(checking:)`.
  package init(rows: Int, columns: Int) throws(TensorError) {
    let (count, overflows) = max(rows, 1).multipliedReportingOverflow(by: max(columns, 1))
    // Told in the order in which `init(checking:)` finds them.
    guard rows >= 0 else {
      throw .shape([rows, columns], reason: "dimension 0 is negative")
    }
    guard rows <= Int.max / 16, columns < 0 || (!overflows && count <= Int.max / 16) else {
      throw .shape([rows, columns], reason: "the number of elements overflows")
    }
    guard columns >= 0 else {
      throw .shape([rows, columns], reason: "dimension 1 is negative")
    }
    dimensions.0 = rows
    dimensions.1 = columns
    rank = 2
    elementCount = rows == 0 || columns == 0 ? 0 : count
  }

  /// A scalar's shape.
  package init() {
    rank = 0
    elementCount = 1
  }

  /// Without a list in memory, unlike the one for any number of dimensions.
  package init(_ size: Int) {
    precondition(size >= 0 && size <= Int.max / 16, "a shape of \(size) elements")
    dimensions.0 = size
    rank = 1
    elementCount = size
  }

  /// Makes a shape from numbers of our own; a bad one is a mistake of ours.
  package init(_ dimensions: Int...) {
    do {
      try self.init(checking: dimensions)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// The dimension at `axis`, `0..<rank`.
  @inline(__always)
  package subscript(axis: Int) -> Int {
    precondition(axis >= 0 && axis < rank, "axis \(axis) of a shape of rank \(rank)")
    return dimension(axis)
  }

  package var array: [Int] { (0..<rank).map { dimension($0) } }

  /// The same shape with another first dimension: a batch of `rows` rows.
  package func withRows(_ rows: Int) -> Shape {
    precondition(rank > 0, "a scalar has no rows")
    var all = array
    all[0] = rows
    do {
      return try Shape(checking: all)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  @inline(__always)
  private func dimension(_ axis: Int) -> Int {
    switch axis {
    case 0: dimensions.0
    case 1: dimensions.1
    case 2: dimensions.2
    case 3: dimensions.3
    case 4: dimensions.4
    case 5: dimensions.5
    case 6: dimensions.6
    default: dimensions.7
    }
  }

  private mutating func set(_ axis: Int, _ size: Int) {
    switch axis {
    case 0: dimensions.0 = size
    case 1: dimensions.1 = size
    case 2: dimensions.2 = size
    case 3: dimensions.3 = size
    case 4: dimensions.4 = size
    case 5: dimensions.5 = size
    case 6: dimensions.6 = size
    default: dimensions.7 = size
    }
  }
}

extension Shape: Equatable {
  package static func == (left: Shape, right: Shape) -> Bool {
    guard left.rank == right.rank else { return false }
    for axis in 0..<left.rank where left.dimension(axis) != right.dimension(axis) {
      return false
    }
    return true
  }
}

extension Shape: CustomStringConvertible {
  package var description: String { "\(array)" }
}
