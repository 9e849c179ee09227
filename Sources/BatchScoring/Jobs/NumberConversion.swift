internal import Tensors

/// Numbers of one type as another that a model takes, each rounded once.
enum NumberConversion {
  private static let numbers: Set<ElementType> = [
    .bool, .uint8, .uint16, .uint32, .uint64, .int8, .int16, .int32, .int64, .float16, .float32,
    .float64,
  ]

  /// Fractions are not cut off, and whole numbers not narrowed: those are for who wrote the file.
  static func takes(_ type: ElementType, for wanted: ElementType) -> Bool {
    if type == wanted { return true }
    guard numbers.contains(type) else { return false }
    switch wanted {
    case .float32, .float64: return true
    case .int64:
      return [.bool, .uint8, .uint16, .uint32, .int8, .int16, .int32].contains(type)
    case .int32: return [.bool, .uint8, .uint16, .int8, .int16].contains(type)
    default: return false
    }
  }

  /// - Precondition: `takes(tensor.elementType, for: type)`.
  static func convert(_ tensor: Tensor, to type: ElementType) -> Tensor {
    if tensor.elementType == type { return tensor }
    var result = Tensor(type, shape: tensor.shape)
    switch type {
    case .float32:
      var target = result.mutableValues(as: Float.self)
      fill(&target, from: tensor, { Float($0) }, { Float($0) }, { Float($0) })
    case .float64:
      var target = result.mutableValues(as: Double.self)
      fill(&target, from: tensor, { Double($0) }, { Double($0) }, { $0 })
    case .int64:
      var target = result.mutableValues(as: Int64.self)
      fill(&target, from: tensor, { $0 }, { Int64(clamping: $0) }, { Int64($0) })
    case .int32:
      var target = result.mutableValues(as: Int32.self)
      fill(&target, from: tensor, { Int32(clamping: $0) }, { Int32(clamping: $0) }, { Int32($0) })
    default: preconditionFailure("no conversion from \(tensor.elementType.name) to \(type.name)")
    }
    return result
  }

  private static func fill<Target: BitwiseCopyable>(
    _ target: inout MutableSpan<Target>, from tensor: Tensor,
    _ integer: (Int64) -> Target, _ unsigned: (UInt64) -> Target, _ real: (Double) -> Target
  ) {
    switch tensor.elementType {
    case .bool, .uint8: copy(tensor.values(as: UInt8.self), &target) { integer(Int64($0)) }
    case .uint16: copy(tensor.values(as: UInt16.self), &target) { integer(Int64($0)) }
    case .uint32: copy(tensor.values(as: UInt32.self), &target) { integer(Int64($0)) }
    case .uint64: copy(tensor.values(as: UInt64.self), &target, unsigned)
    case .int8: copy(tensor.values(as: Int8.self), &target) { integer(Int64($0)) }
    case .int16: copy(tensor.values(as: Int16.self), &target) { integer(Int64($0)) }
    case .int32: copy(tensor.values(as: Int32.self), &target) { integer(Int64($0)) }
    case .int64: copy(tensor.values(as: Int64.self), &target, integer)
    case .float16: copy(tensor.values(as: Float16.self), &target) { real(Double($0)) }
    case .float32: copy(tensor.values(as: Float.self), &target) { real(Double($0)) }
    case .float64: copy(tensor.values(as: Double.self), &target, real)
    default: preconditionFailure("\(tensor.elementType.name) is no number")
    }
  }

  private static func copy<Source: BitwiseCopyable, Target: BitwiseCopyable>(
    _ source: Span<Source>, _ target: inout MutableSpan<Target>, _ convert: (Source) -> Target
  ) {
    for index in 0..<source.count { target[index] = convert(source[index]) }
  }
}
