internal import Executors
internal import Tensors

// Inputs that do not go together: what is one dimension for the model has several sizes.

extension PayloadDecoder {
  /// What exporters write where they have no name.
  private static let placeholders: Set<String> = ["None", "?", "-1", "unk", "N/A"]

  /// The inputs whose rows are one dimension for the model: it has one name for them.
  ///
  /// - Returns: Places in the signature, each group in its order; only groups of several.
  static func rowGroups(_ signature: ModelSignature) -> [[Int]] {
    var groups: [[Int]] = []
    var places: [String: Int] = [:]
    for (index, input) in signature.inputs.enumerated() {
      // Without an optional input its default is taken, which may have rows of its own.
      guard case let name?? = input.dimensionNames.first, input.isRequired,
        !placeholders.contains(name)
      else { continue }
      if let place = places[name] {
        groups[place].append(index)
      } else {
        places[name] = groups.count
        groups.append([index])
      }
    }
    return groups.filter { $0.count > 1 }
  }

  /// A fault for each input that has not as many rows as the one before it with which it shares
  /// them. Models with no name for their rows may take any numbers of them: such are run.
  ///
  /// - Parameter positions: Of the inputs in the body.
  func rowFaults(
    _ tensors: [Tensor?], at positions: [Int?], forModel model: String? = nil
  ) -> [PayloadFault] {
    var faults: [PayloadFault] = []
    for group in rowGroups {
      guard let first = group.first(where: { tensors[$0] != nil }),
        let rows = tensors[first]?.rowCount
      else { continue }
      for index in group {
        guard let tensor = tensors[index], tensor.rowCount != rows else { continue }
        let name = signature.inputs[index].name
        // The first words are Triton's.
        let start =
          model.map { "input '\(name)' batch size does not match other inputs for '\($0)': it" }
          ?? "input '\(name)'"
        let dimension = signature.inputs[index].dimensionNames.first ?? nil
        faults.append(
          PayloadFault(
            offset: positions[index] ?? 0,
            reason: "\(start) has \(countText(tensor.rowCount)); expected \(rows), as input "
              + "'\(signature.inputs[first].name)' has (the model calls both "
              + "'\((dimension ?? "").prefix(80))')"))
      }
    }
    return faults
  }
}

extension ModelSignature {
  /// What a model may have failed with, when it has: one of its dimensions in two sizes, or inputs
  /// with different numbers of rows. nil where nothing of the kind is there to be seen.
  func disagreement(_ tensors: [Tensor?]) -> String? {
    guard inputs.count > 1, tensors.count == inputs.count else { return nil }
    return namedDisagreement(tensors) ?? rowDisagreement(tensors)
  }

  private func namedDisagreement(_ tensors: [Tensor?]) -> String? {
    var seen: [String: (input: Int, size: Int)] = [:]
    for (index, input) in inputs.enumerated() {
      guard let tensor = tensors[index] else { continue }
      for axis in 0..<min(tensor.shape.rank, input.dimensionNames.count) {
        guard let name = input.dimensionNames[axis] else { continue }
        let size = tensor.shape[axis]
        guard let before = seen[name] else {
          seen[name] = (index, size)
          continue
        }
        guard before.size != size else { continue }
        return "dimension \(axis) of input '\(input.name)' is \(size); expected "
          + "\(before.size), as in input '\(inputs[before.input].name)' (the model calls both "
          + "'\(name.prefix(80))')"
      }
    }
    return nil
  }

  private func rowDisagreement(_ tensors: [Tensor?]) -> String? {
    var first: (name: String, rows: Int)?
    var others: [String] = []
    for (index, input) in inputs.enumerated() {
      guard case nil? = input.shape.first, let tensor = tensors[index], tensor.shape.rank > 0
      else { continue }
      guard let first else {
        first = (input.name, tensor.rowCount)
        continue
      }
      if tensor.rowCount != first.rows {
        others.append("input '\(input.name)' has \(countText(tensor.rowCount))")
      }
    }
    guard let first, !others.isEmpty else { return nil }
    let shown = others.prefix(20).joined(separator: ", ")
    let more = others.count > 20 ? " and \(others.count - 20) more" : ""
    return "\(shown)\(more); expected \(first.rows), as input '\(first.name)' has"
  }
}

private func countText(_ rows: Int) -> String { rows == 1 ? "1 row" : "\(rows) rows" }

extension Scorer {
  /// Runs the model. Where it fails on inputs that do not go together the request is to blame.
  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ScoringError) -> [ModelValue] {
    do {
      return try executor.predict(inputs, outputs: outputs, scratch: scratch)
    } catch {
      throw fault(error, of: inputs)
    }
  }

  private func fault(_ error: ExecutorError, of inputs: [Tensor?]) -> ScoringError {
    guard case .failed = error, let disagreement = signature.disagreement(inputs) else {
      return .executor(error)
    }
    return .badInput("\(error); it may be that \(disagreement)")
  }
}
