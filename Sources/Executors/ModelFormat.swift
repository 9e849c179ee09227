/// What kind of model a file holds, told from its content: suffixes lie (`.bst` is written for
/// three of these).
package enum ModelFormat: Sendable, Equatable {
  case xgboostJSON, xgboostUBJSON
  /// The format that XGBoost dropped in 3.1.
  case xgboostBinary
  case lightGBMText
  case onnx
  case unknown

  package static func detect(_ file: ModelFile) -> ModelFormat {
    detect(bytes: file.bytes, path: file.path)
  }

  package static func detect(bytes: RawSpan, path: String) -> ModelFormat {
    let start = bytes.extracting(0..<min(512, bytes.byteCount))
    if isLightGBM(start) { return .lightGBMText }
    if isXGBoostBinary(start) { return .xgboostBinary }
    if let format = objectFormat(start) { return format }
    if isONNX(bytes) || path.hasSuffix(".onnx") { return .onnx }
    return .unknown
  }

  private static func isLightGBM(_ bytes: RawSpan) -> Bool {
    bytes.hasBytes("tree\n", at: 0) || bytes.hasBytes("tree\r\n", at: 0)
  }

  /// `{"` is JSON; `{` and a marker of a length is UBJSON, if a key of XGBoost's follows: any
  /// data may begin with these two bytes, and lie in a folder beside a model.
  private static func objectFormat(_ bytes: RawSpan) -> ModelFormat? {
    var index = 0
    while index < bytes.byteCount, isSpace(bytes.byte(at: index)) { index += 1 }
    guard index < bytes.byteCount, bytes.byte(at: index) == UInt8(ascii: "{") else { return nil }
    index += 1
    if index < bytes.byteCount, "LlIiU#$".utf8.contains(bytes.byte(at: index)) {
      let nearby = index..<min(index + 32, bytes.byteCount)
      let isKey = nearby.contains {
        bytes.hasBytes("learner", at: $0) || bytes.hasBytes("version", at: $0)
      }
      return isKey ? .xgboostUBJSON : nil
    }
    while index < bytes.byteCount, isSpace(bytes.byte(at: index)) { index += 1 }
    let isKey = index < bytes.byteCount && bytes.byte(at: index) == UInt8(ascii: "\"")
    return isKey ? .xgboostJSON : nil
  }

  /// `binf` or `bs64`, or the bare struct of 136 bytes with the objective's name behind it.
  private static func isXGBoostBinary(_ bytes: RawSpan) -> Bool {
    if bytes.hasBytes("binf", at: 0) || bytes.hasBytes("bs64", at: 0) { return true }
    let families: [StaticString] = ["binary:", "multi:", "reg:", "rank:", "count:", "survival:"]
    return families.contains { bytes.hasWord($0, at: 136 + 8) }
  }

  /// ModelProto begins with field 1, a small version, and has only its own fields up to its
  /// graph or its end: three bytes of it alone are in one of ten thousand files of any bytes.
  private static func isONNX(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount > 2, bytes.byte(at: 0) == 0x08, bytes.byte(at: 1) < 64 else {
      return false
    }
    var index = 2
    while index < bytes.byteCount {
      guard let key = varint(bytes, at: &index) else { return false }
      switch (field: key >> 3, wireType: key & 7) {
      case (field: 5, wireType: 0):
        guard varint(bytes, at: &index) != nil else { return false }
      case (field: 7, wireType: 2):
        // The file may end before its graph does: the one that reads it says so.
        guard varint(bytes, at: &index) != nil else { return false }
        return index >= bytes.byteCount || isGraph(firstByte: bytes.byte(at: index))
      case (field: 2...4, wireType: 2), (field: 6, wireType: 2), (field: 8, wireType: 2),
        (field: 14, wireType: 2), (field: 20, wireType: 2), (field: 25...26, wireType: 2):
        guard let count = varint(bytes, at: &index), count <= UInt64(bytes.byteCount - index)
        else { return false }
        index += Int(count)
      default: return false
      }
    }
    return true
  }

  /// The first key of a GraphProto: a message or text, of one of its fields.
  private static func isGraph(firstByte key: UInt8) -> Bool {
    key & 7 == 2 && [1, 2, 5, 10, 11, 12, 13, 14, 15].contains(key >> 3)
  }

  /// ONNX's own reader is of the module above this one, and more than a look needs.
  private static func varint(_ bytes: RawSpan, at index: inout Int) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), through: 63, by: 7) {
      guard index < bytes.byteCount else { return nil }
      let byte = bytes.byte(at: index)
      index += 1
      value |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return value }
    }
    return nil
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }
}
