import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Numbers as ONNX Runtime writes them: floating point with 8 significant digits as C's `%g`,
/// doubles too; special values as NaN, INF and -INF; true as 1.
func asText(_ tensor: Tensor) throws(OperatorError) -> Tensor {
  var text = ByteStrings()
  func integers<Element: TensorElement & FixedWidthInteger>(_: Element.Type) {
    let values = tensor.values(as: Element.self)
    for index in values.indices { text.append(String(values[index])) }
  }
  func floats<Element: TensorElement & BinaryFloatingPoint>(
    _ values: Span<Element>
  ) {
    for index in values.indices { text.append(formatted(Double(values[index]))) }
  }
  switch tensor.elementType {
  case .float32: floats(tensor.values(as: Float.self))
  case .float64: floats(tensor.values(as: Double.self))
  case .float16: floats(tensor.values(as: Float16.self))
  case .int8, .int4, .int2: integers(Int8.self)
  case .int16: integers(Int16.self)
  case .int32: integers(Int32.self)
  case .int64: integers(Int64.self)
  case .uint8, .bool, .uint4, .uint2: integers(UInt8.self)
  case .uint16: integers(UInt16.self)
  case .uint32: integers(UInt32.self)
  case .uint64: integers(UInt64.self)
  case .bfloat16:
    let values = widened(tensor)
    floats(values.values(as: Float.self))
  case .string: return tensor
  case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
    let values = try converted(tensor, to: .float32)
    floats(values.values(as: Float.self))
  }
  return Tensor(strings: text, shape: tensor.shape)
}

private func formatted(_ value: Double) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value < 0 ? "-INF" : "INF" }
  var buffer = [CChar](repeating: 0, count: 64)
  let count = buffer.withUnsafeMutableBufferPointer { buffer in
    withVaList([value]) { vsnprintf(buffer.baseAddress, buffer.count, "%.8g", $0) }
  }
  return String(
    decoding: buffer[..<min(max(Int(count), 0), 63)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
}

/// Text as numbers, as C's `strtod` and `strtoll` read them: white space before and anything
/// after the number are passed over. What does not begin with a number is an error.
func parsed(_ tensor: Tensor, as type: ElementType) throws(OperatorError) -> Tensor {
  let strings = tensor.strings
  var output = Tensor(type, shape: tensor.shape)
  func number(_ index: Int) throws(OperatorError) -> Double {
    let text = strings.string(at: index)
    guard let value = type == .float64 ? readDouble(text) : readFloat(text) else {
      throw OperatorError("'\(text)' is no number")
    }
    return value
  }
  func integers<Element: TensorElement & FixedWidthInteger>(
    _: Element.Type, within range: ClosedRange<Int128>
  ) throws(OperatorError) {
    var target = output.mutableValues(as: Element.self)
    for index in 0..<strings.count {
      let text = strings.string(at: index)
      guard let value = readInteger(text), range.contains(value) else {
        throw OperatorError("'\(text)' is no \(type.name)")
      }
      target[index] = Element(truncatingIfNeeded: value)
    }
  }
  // Small types are read as `int`, unsigned ones as `unsigned long`, and then cast.
  let int = Int128(Int32.min)...Int128(Int32.max)
  let unsigned = -Int128(UInt64.max)...Int128(UInt64.max)
  switch type {
  case .float32:
    var target = output.mutableValues(as: Float.self)
    for index in 0..<strings.count { target[index] = Float(try number(index)) }
  case .float64:
    var target = output.mutableValues(as: Double.self)
    for index in 0..<strings.count { target[index] = try number(index) }
  case .float16:
    var target = output.mutableValues(as: Float16.self)
    for index in 0..<strings.count { target[index] = Float16(Float(try number(index))) }
  case .bfloat16:
    var target = output.mutableValues(as: UInt16.self)
    for index in 0..<strings.count { target[index] = narrowed(Float(try number(index))) }
  case .bool:
    var target = output.mutableValues(as: UInt8.self)
    for index in 0..<strings.count {
      let text = strings.string(at: index)
      guard let value = readInteger(text), int.contains(value) else {
        throw OperatorError("'\(text)' is no bool")
      }
      target[index] = value == 0 ? 0 : 1
    }
  case .int8: try integers(Int8.self, within: int)
  case .int16: try integers(Int16.self, within: int)
  case .int32: try integers(Int32.self, within: int)
  case .int64: try integers(Int64.self, within: Int128(Int64.min)...Int128(Int64.max))
  case .uint8: try integers(UInt8.self, within: unsigned)
  case .uint16: try integers(UInt16.self, within: unsigned)
  case .uint32: try integers(UInt32.self, within: unsigned)
  case .uint64: try integers(UInt64.self, within: unsigned)
  case .string: return tensor
  case .int4, .uint4, .int2, .uint2, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2,
    .float8e5m2fnuz, .float8e8m0:
    throw OperatorError("a cast of string to \(type.name) is not run")
  }
  return output
}

private func readDouble(_ text: String) -> Double? {
  text.withCString { start in
    var end: UnsafeMutablePointer<CChar>?
    let value = strtod(start, &end)
    return end.map { UnsafePointer($0) == start } ?? true ? nil : value
  }
}

private func readFloat(_ text: String) -> Double? {
  text.withCString { start in
    var end: UnsafeMutablePointer<CChar>?
    let value = strtof(start, &end)
    return end.map { UnsafePointer($0) == start } ?? true ? nil : Double(value)
  }
}

private func readInteger(_ text: String) -> Int128? {
  var bytes = text.utf8[...]
  while let first = bytes.first, first == 0x20 || (0x09...0x0D).contains(first) {
    bytes.removeFirst()
  }
  var isNegative = false
  if let sign = bytes.first, sign == 0x2B || sign == 0x2D {
    isNegative = sign == 0x2D
    bytes.removeFirst()
  }
  var value: Int128?
  for byte in bytes {
    guard (0x30...0x39).contains(byte) else { break }
    value = (value ?? 0) * 10 + Int128(byte - 0x30)
    // Out of every range already, and far from overflowing.
    if let value, value > Int128(UInt64.max) { return nil }
  }
  return value.map { isNegative ? -$0 : $0 }
}
