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
    if isONNX(start) || path.hasSuffix(".onnx") { return .onnx }
    return .unknown
  }

  private static func isLightGBM(_ bytes: RawSpan) -> Bool {
    bytes.hasBytes("tree\n", at: 0) || bytes.hasBytes("tree\r\n", at: 0)
  }

  /// `{"` is JSON; `{` and a marker of a length is UBJSON.
  private static func objectFormat(_ bytes: RawSpan) -> ModelFormat? {
    var index = 0
    while index < bytes.byteCount, isSpace(bytes.byte(at: index)) { index += 1 }
    guard index < bytes.byteCount, bytes.byte(at: index) == UInt8(ascii: "{") else { return nil }
    index += 1
    if index < bytes.byteCount, "LlIiU#$".utf8.contains(bytes.byte(at: index)) {
      return .xgboostUBJSON
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

  /// ModelProto begins with field 1, a small version, then another of its fields.
  private static func isONNX(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount > 2, bytes.byte(at: 0) == 0x08 else { return false }
    let tag = bytes.byte(at: 2)
    let field = tag >> 3
    let wire = tag & 7
    return bytes.byte(at: 1) < 64 && (field >= 2 && field <= 14) && (wire == 0 || wire == 2)
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }
}
