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
        + "sets from its number to the next. Types are those of the first input.")
    var domain = ""
    for row in ONNXSupport.operators {
      if row.domain != domain {
        domain = row.domain
        lines += [
          "", "### \(domain)", "", "| operator | versions | types |", "| --- | --- | --- |",
        ]
      }
      let versions = row.versions.map(String.init).joined(separator: ", ")
      lines.append("| \(row.name) | \(versions) | \(types(row.types)) |")
    }
    lines += ["", "## Limits", ""] + ONNXSupport.limits.map { "- \($0)" }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func named(_ names: [String]) -> String {
    names.map { "`\($0)`" }.joined(separator: ", ")
  }

  private static func types(_ types: [ElementType]) -> String {
    let groups: [(String, [ElementType])] = [
      ("all", ElementType.allCases),
      ("all but string", ElementType.allCases.filter { $0 != .string }),
      ("numbers", ElementType.allCases.filter { $0 != .string && $0 != .bool }),
    ]
    for (name, group) in groups where group == types { return name }
    return types.isEmpty ? "–" : types.map(\.name).joined(separator: ", ")
  }
}
