import Testing

@testable import Executors

@Suite struct ModelFormatTests {
  @Test(arguments: [
    ("{\"learner\"", ModelFormat.xgboostJSON), ("  {\n \"learner\"", .xgboostJSON),
    ("{L\0\0", .xgboostUBJSON), ("{i\u{7}", .xgboostUBJSON), ("tree\nversion=v4", .lightGBMText),
    ("tree\r\nversion", .lightGBMText), ("binf", .xgboostBinary), ("bs64\t", .xgboostBinary),
    ("\u{8}\u{8}\u{12}\u{7}skl2onnx", .onnx), ("", .unknown), ("{", .unknown), ("tree", .unknown),
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
