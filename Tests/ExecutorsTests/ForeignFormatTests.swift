import Testing

@testable import Executors

@Suite struct ForeignFormatTests {
  @Test(arguments: [
    ([0x80, 4, 0x95] as [UInt8], "Python pickle"), (Array("binf....".utf8), "XGBoost"),
    (Array("CBM1....".utf8), "CatBoost"), (Array("booster[0]:\n0:[f1<2]".utf8), "XGBoost dump"),
    ([0x50, 0x4B, 3, 4], "zip archive"), ([0x1F, 0x8B, 8], "gzip"),
    (Array("<?xml version".utf8), "PMML"), (Array("GGUF".utf8), "GGUF"),
    (Array("{\"oblivious_trees\":[],\"features_info\":{}}".utf8), "CatBoost JSON"),
    (
      Array("{\"name\":\"tree\",\"max_feature_idx\":3,\"tree_info\":[{\"a\":1}]}".utf8),
      "LightGBM JSON"
    ), (Array("version https://git-lfs.github.com/spec/v1".utf8), "Git LFS"),
    (Array("anything else".utf8), "model file"),
  ])
  func `a file of another kind is refused by its name, with advice`(bytes: [UInt8], name: String) {
    do {
      _ = try NativeModel.load(bytes: bytes.span.bytes, path: "model.bin")
      Issue.record("it has been loaded")
    } catch {
      guard case .unsupported(let format, _, let advice) = error else {
        Issue.record("\(error)")
        return
      }
      #expect(format == name)
      #expect(!advice.isEmpty)
    }
  }
}
