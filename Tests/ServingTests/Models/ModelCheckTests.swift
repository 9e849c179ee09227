import Documents
import TestFolders
import Testing

@testable import Serving

struct ModelCheckTests {
  @Test func `every operator that is missing is named, with its nodes`() {
    let check = ModelCheck(path: packageRoot + "/Tests/ONNXTests/Fixtures/check/missing.onnx")
    #expect(!check.isRun)
    #expect(check.format == "onnx")
    #expect(
      check.producer == "by-hand 1.2, IR 8, opsets ai.onnx 17, ai.onnx.ml 1, custom.example 1")
    #expect(
      check.problems == [
        "operator StringSplitter (1 node): it is not run here",
        "operator ai.onnx.ml:CastMap (1 node): it is not run here",
        "operator custom.example:Mystery (2 nodes): it is not run here",
      ])
    #expect(check.text.contains("input     x: FP32 [-1, 3]"))
    #expect(check.text.contains("runs      no"))
  }

  @Test(arguments: [
    ("models/breast-cancer/1/model.json", "xgboost-json", "xgboost "),
    ("models/diabetes/1/model.txt", "lightgbm-text", "lightgbm, text v"),
    ("models/iris/1/model.onnx", "onnx", "skl2onnx "),
    ("Tests/ExecutorsTests/Fixtures/xgb_softprob.ubj", "xgboost-ubj", "xgboost "),
  ])
  func `a model that is run says what made it`(path: String, format: String, producer: String) {
    let check = ModelCheck(path: packageRoot + "/" + path)
    #expect(check.isRun, "\(check.problems)")
    #expect(check.format == format)
    #expect(check.producer?.hasPrefix(producer) == true, "\(check.producer ?? "none")")
    #expect(!check.inputs.isEmpty && !check.outputs.isEmpty)
    guard case .object(let object) = check.document else {
      Issue.record("no object")
      return
    }
    #expect(object["runs"] == .bool(true))
    #expect(object["problems"] == .array([]))
  }

  @Test func `nodes that make rows depend on each other are named`() {
    let check = ModelCheck(path: packageRoot + "/Tests/ONNXTests/Fixtures/check/mixing.onnx")
    #expect(check.isRun, "\(check.problems)")
    let note = "rows are not independent: node 'quantize' (DynamicQuantizeLinear)"
    #expect(check.notes == [note, "requests are never joined into batches"])
    #expect(check.text.contains("note      \(note)"))
    #expect(ModelCheck(path: packageRoot + "/models/iris/1/model.onnx").notes.isEmpty)
  }

  @Test func `columns whose categories have no sure codes are named`() {
    let path = packageRoot + "/Tests/ExecutorsTests/Fixtures/lgb_open_categories.txt"
    let check = ModelCheck(path: path)
    #expect(check.isRun, "\(check.problems)")
    let names = ["grade", "rooms"]
    #expect(
      check.notes
        == names.map {
          "column '\($0)' takes codes and no names: the file does not say which of its lists of "
            + "categories this column has"
        })
  }

  @Test func `what is no model at all is said, and is not run`() throws {
    let folder = TemporaryFolder(for: "models")
    try folder.write("{\"not\": \"a model\"}", to: "model.json")
    let check = ModelCheck(path: folder.path + "/model.json")
    #expect(!check.isRun)
    #expect(check.problems.count == 1)
    #expect(ModelCheck(path: folder.path + "/nothing").problems.count == 1)
  }
}
