internal import Documents
internal import Tensors

/// A tensor that grows while a body is read: numbers go straight into its memory.
struct InputBuilder {
  let elementType: ElementType
  /// What errors call the elements: `float32`, `string`.
  var typeName: String { elementType.name }
  /// Elements written so far, counted to the highest index.
  private(set) var count = 0

  private var buffer: TensorBuffer
  private var capacity: Int
  private var strings: [Int: [UInt8]] = [:]

  /// - Parameter capacity: Elements that are expected at least.
  init(_ elementType: ElementType, capacity: Int) {
    self.elementType = elementType
    self.capacity = max(capacity, 8)
    buffer = TensorBuffer(byteCount: self.capacity * elementType.byteSize)
  }

  /// Makes room so that elements up to `count` can be written.
  private mutating func reserve(_ count: Int) {
    guard count > capacity else { return }
    let wanted = max(count, capacity * 2)
    let larger = TensorBuffer(byteCount: wanted * elementType.byteSize)
    if elementType.byteSize > 0 {
      unsafe larger.bytes.copyMemory(from: UnsafeRawBufferPointer(buffer.bytes))
    }
    buffer = larger
    capacity = wanted
  }

  /// - Returns: What was expected instead, when the number does not fit the type.
  @inline(__always)
  mutating func set(_ number: ScannedNumber, at index: Int) -> String? {
    prepare(index)
    switch elementType {
    case .float32:
      unsafe store(Float(number.double), at: index)
    case .float64:
      unsafe store(number.double, at: index)
    default:
      return setOther(number, at: index)
    }
    return nil
  }

  private mutating func setOther(_ number: ScannedNumber, at index: Int) -> String? {
    switch elementType {
    case .float16: unsafe store(Float16(number.double), at: index)
    case .uint8: return setInteger(number, UInt8.self, at: index)
    case .uint16: return setInteger(number, UInt16.self, at: index)
    case .uint32: return setInteger(number, UInt32.self, at: index)
    case .uint64: return setInteger(number, UInt64.self, at: index)
    case .int8: return setInteger(number, Int8.self, at: index)
    case .int16: return setInteger(number, Int16.self, at: index)
    case .int32: return setInteger(number, Int32.self, at: index)
    case .int64: return setInteger(number, Int64.self, at: index)
    case .bool:
      guard number.double == 0 || number.double == 1 else { return "true or false" }
      unsafe store(number.double == 1 ? UInt8(1) : 0, at: index)
    case .string: return "a string"
    case .bfloat16: return "binary data: bfloat16 does not travel as JSON"
    case .float32, .float64: break
    }
    return nil
  }

  private mutating func setInteger<Integer: FixedWidthInteger & TensorElement>(
    _ number: ScannedNumber, _: Integer.Type, at index: Int
  ) -> String? {
    let value: Integer?
    if number.isInteger {
      value =
        number.isNegative
        ? (number.magnitude <= UInt64(Int64.max) + 1
          ? Integer(exactly: 0 &- Int64(truncatingIfNeeded: number.magnitude)) : nil)
        : Integer(exactly: number.magnitude)
    } else {
      // 3.0 is what many clients send for 3.
      value = Integer(exactly: number.double)
    }
    guard let value else {
      return "an integer from \(Integer.min) to \(Integer.max) (\(typeName))"
    }
    unsafe store(value, at: index)
    return nil
  }

  /// - Returns: What was expected instead of null.
  mutating func setNull(at index: Int) -> String? {
    prepare(index)
    switch elementType {
    case .float32: unsafe store(Float.nan, at: index)
    case .float64: unsafe store(Double.nan, at: index)
    case .float16: unsafe store(Float16.nan, at: index)
    default: return "a value: a column of \(typeName) has no missing values"
    }
    return nil
  }

  mutating func setBool(_ value: Bool, at index: Int) -> String? {
    if elementType == .string { return "a string" }
    return set(
      ScannedNumber(
        double: value ? 1 : 0, magnitude: value ? 1 : 0, isNegative: false, isInteger: true),
      at: index)
  }

  /// NaN, Infinity and -Infinity, which some clients send bare.
  mutating func setSpecial(_ value: Double, at index: Int) -> String? {
    guard [.float16, .float32, .float64].contains(elementType) else { return typeName }
    return set(
      ScannedNumber(double: value, magnitude: 0, isNegative: value < 0, isInteger: false),
      at: index)
  }

  mutating func setString(_ bytes: [UInt8], at index: Int) -> String? {
    guard elementType == .string else { return "a number (\(typeName))" }
    prepare(index)
    strings[index] = bytes
    return nil
  }

  /// The tensor, once everything is written. Precondition: as many elements as `shape` says.
  func tensor(_ shape: Shape) -> Tensor {
    if elementType == .string {
      var text = ByteStrings()
      for index in 0..<shape.elementCount { text.append(strings[index] ?? []) }
      return Tensor(strings: text, shape: shape)
    }
    return Tensor(elementType, shape: shape, buffer: buffer)
  }

  @inline(__always)
  private mutating func prepare(_ index: Int) {
    if index >= capacity { reserve(index + 1) }
    if index >= count { count = index + 1 }
  }

  @inline(__always) @unsafe
  private func store<Element: BitwiseCopyable>(_ value: Element, at index: Int) {
    // `prepare` has made room for `index`.
    unsafe buffer.bytes.storeBytes(
      of: value, toByteOffset: index &* MemoryLayout<Element>.size, as: Element.self)
  }
}
