import Testing

@testable import Executors

@Suite struct ModelFormatTests {
  @Test(arguments: [
    ("{\"learner\"", ModelFormat.xgboostJSON), ("  {\n \"learner\"", .xgboostJSON),
    ("{L\0\0\0\0\0\0\0\u{7}learner{", .xgboostUBJSON), ("{i\u{7}version[", .xgboostUBJSON),
    ("{L\0\0", .unknown), ("{i\u{7}another", .unknown), ("tree\nversion=v4", .lightGBMText),
    ("tree\r\nversion", .lightGBMText), ("binf", .xgboostBinary), ("bs64\t", .xgboostBinary),
    ("\u{8}\u{8}\u{12}\u{8}skl2onnx", .onnx), ("\u{8}\u{8}:\u{7F}\n", .onnx),
    ("\u{8}\u{8}:\u{7F}\u{8}", .unknown), ("\u{8}\u{8}\u{12}\u{7}short", .unknown),
    ("\u{8}\u{8}\u{12}\u{1}x\u{61}", .unknown), ("\u{8}\u{8}(\u{7F}\u{61}", .unknown),
    ("", .unknown), ("{", .unknown), ("tree", .unknown),
    ("PK\u{3}\u{4}", .unknown),
  ])
  func `content tells the format, whatever the name`(content: String, format: ModelFormat) {
    let bytes = Array(content.utf8)
    #expect(ModelFormat.detect(bytes: bytes.span.bytes, path: "model.bst") == format)
  }

  @Test func `the bare struct of old XGBoost is known by its objective`() {
    let bytes =
      [UInt8](repeating: 0, count: 136) + [15, 0, 0, 0, 0, 0, 0, 0] + Array("binary:logistic".utf8)
    #expect(ModelFormat.detect(bytes: bytes.span.bytes, path: "model.bin") == .xgboostBinary)
  }

  /// What lies beside a model may hold anything, and is not to be taken for a second one.
  @Test func `bytes that only begin like a model are none`() {
    let rest = [UInt8](repeating: UInt8(ascii: "a"), count: 600)
    for second in UInt8.min...UInt8.max {
      for third in UInt8.min...UInt8.max {
        // Without `{"` and `{ "`, with which JSON begins.
        for first in [0x08, UInt8(ascii: "{")] where second != 0x22 && third != 0x22 {
          let bytes = [first, second, third] + rest
          let format = ModelFormat.detect(bytes: bytes.span.bytes, path: "data.bin")
          if format != .unknown { Issue.record("\(first) \(second) \(third): \(format)") }
        }
      }
    }
  }

  @Test func `the sample packages are told apart`() throws {
    for (path, format) in [
      ("iris/1/model.onnx", ModelFormat.onnx), ("digits/1/model.onnx", .onnx),
      ("breast-cancer/1/model.json", .xgboostJSON), ("diabetes/1/model.txt", .lightGBMText),
    ] {
      let file = try ModelFile(path: "\(Fixtures.packageRoot)/models/\(path)")
      #expect(ModelFormat.detect(file) == format)
    }
  }
}
