package import Tensors

/// The operators that are run and the limits that hold, for the support matrix.
package enum ONNXSupport {
  package struct Row: Sendable {
    package var domain: String
    package var name: String
    package var versions: [Int]
    /// Types of the first input; empty where it has none.
    package var types: [ElementType]
  }

  /// By domain and name.
  package static var operators: [Row] {
    OperatorTable.definitions
      .map { definition in
        Row(
          domain: definition.domain, name: definition.name, versions: definition.versions,
          types: definition.maxInputs == 0
            ? [] : ElementType.allCases.filter(definition.types.contains))
      }
      .sorted { ($0.domain, $0.name) < ($1.domain, $1.name) }
  }

  /// The newest operator set known, by domain.
  package static var newestOpsets: [String: Int] { PlanBuilder.newestOpsets }

  /// What a model may not exceed, as sentences.
  package static var limits: [String] {
    [
      "A tensor has at most \(Shape.maxRank) dimensions.",
      "All values of one request take at most \(ONNXScratch.maxLiveBytes >> 20) MiB at one time.",
      "Constants that are computed while a model loads take at most "
        + "\(PlanBuilder.maxFoldedBytes >> 20) MiB; what is over is computed for each batch.",
      "Messages are nested at most \(ProtobufReader.maxDepth) deep.",
      "External data must lie in the package, at a relative path without `..`.",
      "Inputs are tensors; an output is a tensor or, behind ZipMap, a list of maps.",
    ]
  }
}
