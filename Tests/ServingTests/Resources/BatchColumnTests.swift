import Executors
import Tensors
import Testing

@testable import Serving

/// What of a model's answer bears the name of a column that is carried.
@Suite struct BatchColumnTests {
  private static let wide = ModelOutput(name: "label", kind: .tensor(.float32, shape: [nil, 3]))
  private static let narrow = ModelOutput(name: "label", kind: .tensor(.int64, shape: [nil]))
  private static let unknown = ModelOutput(
    name: "scores", kind: .tensor(.float32, shape: [nil, nil]))
  private static let maps = ModelOutput(
    name: "probabilities", kind: .maps(keys: .string, values: .float32))

  private static func settings(
    _ column: String, _ change: (inout BatchSettings) -> Void = { _ in }
  ) -> BatchSettings {
    var settings = BatchSettings()
    settings.carriedColumns = ["id", column]
    change(&settings)
    return settings
  }

  @Test(
    arguments: [
      ("prediction_0", [wide], true), ("prediction_2", [wide], true),
      ("prediction_3", [wide], false), ("prediction_02", [wide], false),
      ("prediction_-1", [unknown], false), ("label", [wide], false),
      ("prediction_0", [narrow], false), ("prediction", [narrow], true),
      ("label", [narrow, wide], false), ("label_1", [narrow, wide], true),
      ("label", [wide, narrow], true), ("label_0", [wide, narrow], false),
      ("prediction_7", [unknown], true), ("prediction_x", [unknown], false),
      ("probabilities", [narrow, maps], false), ("probabilities_yes", [narrow, maps], true),
      ("prediction_yes", [maps], true), ("predictions", [maps], false),
    ] as [(String, [ModelOutput], Bool)])
  func `CSV has a column for each value`(column: String, outputs: [ModelOutput], isTwice: Bool) {
    let fault = Self.settings(column).columnFault(outputs)
    #expect((fault != nil) == isTwice, "\(column): \(fault ?? "")")
    if let fault { #expect(fault.contains("two columns '\(column)'")) }
    // Nobody sees a name that is not written.
    #expect(Self.settings(column) { $0.hasHeader = false }.columnFault(outputs) == nil)
    #expect(Self.settings(column) { $0.outputAction = .summaryOnly }.columnFault(outputs) == nil)
  }

  @Test(
    arguments: [
      ("prediction_0", [wide], false), ("label", [wide, narrow], true),
      ("label_0", [narrow, wide], false), ("probabilities", [narrow, maps], true),
      ("probabilities_yes", [narrow, maps], false), ("scores", [unknown], false),
    ] as [(String, [ModelOutput], Bool)])
  func `JSON Lines have a key for each output`(
    column: String, outputs: [ModelOutput], isTwice: Bool
  ) {
    let fault = Self.settings(column) { $0.format = .jsonl }.columnFault(outputs)
    #expect((fault != nil) == isTwice, "\(column): \(fault ?? "")")
  }

  @Test func `no output is called as what every line has`() {
    let outputs = ["row", "row", "label", "prediction", "file_name"].map {
      ModelOutput(name: $0, kind: .tensor(.float32, shape: [nil]))
    }
    #expect(
      BatchSettings.columnNames(of: outputs) == [
        "prediction", "prediction_row", "label", "prediction_prediction", "prediction_file_name",
      ])
    #expect(Self.settings("prediction_row").columnFault(outputs) != nil)
  }
}
