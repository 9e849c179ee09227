internal import Executors
internal import ONNX
internal import Tensors

/// The page that says what is run, made from the code that runs it: `Sources/SUPPORT.md`.
package enum SupportMatrix {
  package static var page: String {
    var lines = [
      "# What is run",
      "",
      "Made from the code by `swerve support-matrix`; a test holds the two together.",
      "`swerve model check PATH` says of one model whether it is run, and if not exactly why.",
      "",
      "## Formats",
      "",
      "| format | what | not |",
      "| --- | --- | --- |",
      "| XGBoost JSON, UBJSON | files of 1.x to 3.x | the binary format that XGBoost dropped in "
        + "3.1: load it with 3.0 and save it again |",
      "| LightGBM text | v2, v3, v4 | pickles |",
      "| ONNX | IR 3 and up, external data in the package | custom operators |",
      "| MLflow folder | flavors `xgboost`, `lightgbm`, `onnx`, signature enforced | pickles and "
        + "Python code |",
      "",
      "## XGBoost objectives",
      "",
      named(TreeSupport.xgboostObjectives),
      "",
      "## LightGBM objectives",
      "",
      named(TreeSupport.lightGBMObjectives),
      "",
      "## ONNX operators",
      "",
    ]
    let newest = ONNXSupport.newestOpsets.sorted { $0.key < $1.key }
      .map { "\($0.key) \($0.value)" }
    lines.append(
      "Newest operator sets: \(newest.joined(separator: ", ")). A version stands for the operator "
        + "sets from its number to the next. Types are those of the first input; the last column has "
        + "the inputs that take others, counted from 1. Floats of 8 bits and integers of 4 and 2 are "
        + "held, moved, cast and quantized; nothing computes with them.")
    var domain = ""
    for row in ONNXSupport.operators {
      if row.domain != domain {
        domain = row.domain
        lines += [
          "", "### \(domain)", "", "| operator | versions | types | other inputs |",
          "| --- | --- | --- | --- |",
        ]
      }
      let versions = row.versions.map(String.init).joined(separator: ", ")
      let others = row.others.map(line).joined(separator: "; ")
      lines.append("| \(row.name) | \(versions) | \(types(row.types)) | \(others) |")
    }
    lines += [
      "", "## Rows that are not independent", "",
      "A row's answer has the same bits alone and in any batch, but for these operators, whose "
        + "definition makes a row's result depend on the others. `swerve model check` names the nodes. "
        + "An operator that a model tells to work along the batch (a sum over axis 0, a transposed "
        + "batch) mixes rows because the model says so, and is not named.", "",
    ]
    lines += ONNXSupport.batchDependent.map { "- \($0.name): \($0.when)" }
    lines += ["", "## Limits", ""] + ONNXSupport.limits.map { "- \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func named(_ names: [String]) -> String {
    names.map { "`\($0)`" }.joined(separator: ", ")
  }

  private static func line(_ inputs: ONNXSupport.OtherInputs) -> String {
    let numbers =
      switch inputs.last {
      case nil: "\(inputs.first) and on"
      case inputs.first: "\(inputs.first)"
      case let last?: "\(inputs.first) to \(last)"
      }
    return "\(numbers): \(inputs.types.map(types) ?? "as the operator asks")"
  }

  private static func types(_ types: [ElementType]) -> String {
    let all = ONNXSupport.allTypes
    let groups: [(String, [ElementType])] = [
      ("all, and those of 8 bits and less", ElementType.allCases),
      ("all", all),
      ("all but string", all.filter { $0 != .string }),
      ("numbers", all.filter { $0 != .string && $0 != .bool }),
    ]
    for (name, group) in groups where group == types { return name }
    return types.isEmpty ? "–" : types.map(\.name).joined(separator: ", ")
  }
}
