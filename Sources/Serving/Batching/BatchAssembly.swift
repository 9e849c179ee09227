internal import Executors
internal import Tensors

/// Rows of several requests into one set of tensors, and rows of one set of results back.
enum BatchAssembly {
  /// - Parameters:
  ///   - parts: Inputs of one `BatchLayout`.
  ///   - joined: Their rows one after the other. Its memory is used again.
  static func join(_ parts: [[Tensor?]], into joined: inout [Tensor?]) {
    let count = parts.first?.count ?? 0
    while joined.count < count { joined.append(nil) }
    joined.removeLast(joined.count - count)
    for index in 0..<count {
      let tensors = parts.compactMap { $0[index] }
      guard let first = tensors.first else {
        joined[index] = nil
        continue
      }
      // Taken out of the list, so that one reference is left.
      var tensor = joined[index].take() ?? Tensor(first.elementType, shape: Shape(0))
      if tensor.elementType != first.elementType {
        tensor = Tensor(first.elementType, shape: Shape(0))
      }
      tensor.join(tensors)
      joined[index] = tensor
    }
  }

  /// Rows `range` of every value; nil when one of them has not `total` rows.
  static func rows(
    _ range: Range<Int>, of values: [ModelValue], total: Int
  ) -> [ModelValue]? {
    var part: [ModelValue] = []
    part.reserveCapacity(values.count)
    for value in values {
      switch value {
      case .tensor(let tensor):
        guard tensor.shape.rank > 0, tensor.shape[0] == total else { return nil }
        part.append(.tensor(tensor.rows(range)))
      case .maps(let keys, let values):
        guard values.shape.rank > 0, values.shape[0] == total else { return nil }
        part.append(.maps(keys: keys, values: values.rows(range)))
      }
    }
    return part
  }

  /// Whether both are the same, bit for bit.
  static func isSame(_ left: [ModelValue], _ right: [ModelValue]) -> Bool {
    guard left.count == right.count else { return false }
    return zip(left, right).allSatisfy { left, right in
      switch (left, right) {
      case (.tensor(let left), .tensor(let right)): isSame(left, right)
      case (.maps(let keys, let values), .maps(let otherKeys, let otherValues)):
        isSame(keys, otherKeys) && isSame(values, otherValues)
      case (.tensor, .maps), (.maps, .tensor): false
      }
    }
  }

  private static func isSame(_ left: Tensor, _ right: Tensor) -> Bool {
    guard left.elementType == right.elementType, left.shape == right.shape else { return false }
    if left.elementType == .string { return left.strings == right.strings }
    let bytes = left.bytes
    let others = right.bytes
    return (0..<bytes.byteCount).allSatisfy {
      bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self)
        == others.unsafeLoad(fromByteOffset: $0, as: UInt8.self)
    }
  }
}
