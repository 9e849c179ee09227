internal import Documents
package import Executors
package import Tensors

/// Reads the JSON bodies that `/score` takes, for one model, straight into tensors.
///
/// Columns go to the model's by name in any order, extra ones are passed over. What can be
/// prepared once a model is prepared here. Source: `AZUREML.md` §3.7, `WIRE.md` §2.1, §2.5.
package struct PayloadDecoder: Sendable {
  /// How rows become inputs.
  enum Layout: Sendable, Equatable {
    /// One input of shape (rows, columns); nil: any number of columns.
    case table(width: Int?)
    /// Several inputs of one column each.
    case columnPerInput
    /// Anything else: named tensors, or one nested list.
    case tensors
  }

  /// Where a value of a row goes.
  struct Target: Sendable, Equatable {
    var input: Int
    var column: Int
  }

  let signature: ModelSignature
  let layout: Layout
  /// The model's columns in its order; nil when it has no names.
  let columns: [String]?
  let columnBytes: [[UInt8]]
  let targets: [String: Target]
  /// Inputs that must have as many rows as each other.
  let rowGroups: [[Int]]
  /// How the usual small bodies are read; nil where the model takes no such ones.
  let plainTable: PlainTable?

  /// The members of a body that hold rows or tensors.
  static let forms = Form.allCases.map(\.rawValue)

  enum Form: String, CaseIterable {
    case inputData = "input_data"
    case data
    case split = "dataframe_split"
    case records = "dataframe_records"
    case instances
    case inputs

    /// Without making a text; nil for one that needs a closer look.
    init?(_ scanner: borrowing PayloadScanner, _ range: Range<Int>) {
      switch range.count {
      case 4 where scanner.equals(range, "data"): self = .data
      case 6 where scanner.equals(range, "inputs"): self = .inputs
      case 9 where scanner.equals(range, "instances"): self = .instances
      case 10 where scanner.equals(range, "input_data"): self = .inputData
      case 15 where scanner.equals(range, "dataframe_split"): self = .split
      case 17 where scanner.equals(range, "dataframe_records"): self = .records
      default: return nil
      }
    }
  }

  /// Names of a body that an error looks at: a hint need not read a million of them.
  static let maxNamesTold = 100

  package init(_ signature: ModelSignature) {
    self.signature = signature
    let inputs = signature.inputs
    if inputs.count == 1, inputs[0].shape.count == 2 {
      layout = .table(width: inputs[0].shape[1] ?? inputs[0].columns?.count)
      columns = inputs[0].columns
    } else if inputs.count > 1, inputs.allSatisfy(PayloadDecoder.isColumn) {
      layout = .columnPerInput
      columns = inputs.map(\.name)
    } else {
      layout = .tensors
      columns = nil
    }
    columnBytes = (columns ?? []).map { Array($0.utf8) }
    var targets: [String: Target] = [:]
    for (index, name) in (columns ?? []).enumerated() {
      targets[name] =
        layout == .columnPerInput
        ? Target(input: index, column: 0) : Target(input: 0, column: index)
    }
    self.targets = targets
    rowGroups = PayloadDecoder.rowGroups(signature)
    plainTable = PlainTable(signature, layout: layout, columns: columnBytes)
  }

  private static func isColumn(_ input: ModelInput) -> Bool {
    guard input.shape.count == 1 || (input.shape.count == 2 && input.shape[1] == 1) else {
      return false
    }
    // One that may be left out and has a fixed size is a weight, not a column.
    return input.isRequired || input.shape[0] == nil
  }

  /// - Throws: `ScoringError.badInput` with the place, what came and what was expected.
  package func decode(_ body: Span<UInt8>) throws(ScoringError) -> DecodedRequest {
    do throws(PayloadFault) {
      return try read(body, nil)
    } catch {
      throw refusal(of: body, error)
    }
  }

  /// Everything that is wrong with a body, from a second reading.
  private func refusal(of body: Span<UInt8>, _ first: PayloadFault) -> ScoringError {
    let collector = FaultCollector()
    if body.count <= FaultCollector.maxBodyBytes {
      do throws(PayloadFault) {
        _ = try read(body, collector)
      } catch {
        collector.end(with: error)
      }
    }
    return PayloadPlace.error(first: first, collector, in: body)
  }

  /// A nested list alone, as the tensor of one input.
  package func decodeTensor(
    _ text: Span<UInt8>, for input: ModelInput
  ) throws(ScoringError) -> Tensor {
    var scanner = PayloadScanner(text)
    do throws(PayloadFault) {
      let tensor = try readNested(&scanner, for: input)
      guard scanner.peek() == nil else {
        throw scanner.fault("goes on behind the list with \(scanner.description())")
      }
      return tensor
    } catch {
      throw .badInput(PayloadPlace.sentence(error, in: text))
    }
  }

  private func read(
    _ body: Span<UInt8>, _ collector: FaultCollector?
  ) throws(PayloadFault) -> DecodedRequest {
    var scanner = PayloadScanner(body)
    scanner.collector = collector
    guard scanner.peek() != nil else {
      throw PayloadFault(
        offset: 0,
        reason: "is empty; expected a JSON object with one of \(listed(PayloadDecoder.forms))"
      )
    }
    var found: Form?
    var outputsPosition: Int?
    var id: String?
    var isDone: DecodedRequest?
    var unknown: [String] = []
    var ignored: [String] = []
    var namesSignature = false
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "a JSON object") {
      repeat {
        let keyPosition = scanner.position
        let (range, hasEscapes) = try scanner.rawString()
        var form = hasEscapes ? nil : Form(scanner, range)
        var key = ""
        if form == nil {
          scanner.position = keyPosition
          key = try scanner.string()
          form = Form(rawValue: key)
        }
        try scanner.expect(UInt8(ascii: ":"), "':'")
        _ = scanner.peek()
        if let form {
          let position = scanner.position
          do throws(PayloadFault) {
            if let found {
              throw scanner.fault(
                "has both '\(found.rawValue)' and '\(form.rawValue)'; expected one of them", at: 0)
            }
            found = form
            isDone = try read(&scanner, form: form)
          } catch {
            try scanner.pass(over: position, error, depth: 1)
          }
        } else if key == "params", let parameters = signature.parameters {
          ignored = try readParameters(&scanner, known: parameters)
        } else if key == "outputs" {
          outputsPosition = scanner.position
          try scanner.skipValue(depth: 1)
        } else if key == "id", scanner.peek() == UInt8(ascii: "\"") {
          id = try scanner.string()
        } else {
          if key == "signature_name" { namesSignature = true }
          if unknown.count < PayloadDecoder.maxNamesTold { unknown.append(key) }
          try scanner.skipValue(depth: 1)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    guard scanner.peek() == nil else {
      throw scanner.fault("goes on behind the JSON object with \(scanner.description())")
    }
    guard var request = isDone else {
      // Told already what is wrong with it; nobody scores what is read to find that.
      if found != nil { return DecodedRequest(form: .azure, inputs: []) }
      let near = unknown.lazy.compactMap { NameDistance.nearest(to: $0, in: PayloadDecoder.forms) }
      let hint = near.first.map { "; did you mean '\($0)'?" } ?? ""
      throw PayloadFault(
        offset: 0, reason: "has none of the members \(listed(PayloadDecoder.forms))\(hint)")
    }
    request.ignoredParameters = ignored
    request.namesSignature = namesSignature
    if request.form == .inferenceProtocol {
      request.id = id
      if let outputsPosition {
        scanner.position = outputsPosition
        request.outputs = try readOutputNames(&scanner)
      }
    }
    return request
  }

  /// The value of one of `forms`.
  private func read(
    _ scanner: inout PayloadScanner, form: Form
  ) throws(PayloadFault) -> DecodedRequest {
    let start = scanner.position
    switch form {
    case .split:
      guard scanner.peek() == UInt8(ascii: "{") else {
        throw scanner.unexpected("an object with columns and data")
      }
      return DecodedRequest(form: .mlflow, isFrame: true, inputs: try readSplit(&scanner))
    case .records:
      guard scanner.peek() == UInt8(ascii: "[") else {
        throw scanner.unexpected("a list of records")
      }
      return DecodedRequest(form: .mlflow, isFrame: true, inputs: try readList(&scanner))
    case .instances:
      return DecodedRequest(form: .mlflow, inputs: try readInstances(&scanner))
    case .inputs:
      if try isListOfObjects(&scanner) {
        scanner.position = start
        var context = TensorContext()
        return DecodedRequest(
          form: .inferenceProtocol,
          inputs: try readNamedTensors(
            &scanner, tail: scanner.text.extracting(last: 0), &context))
      }
      scanner.position = start
      return DecodedRequest(form: .mlflow, inputs: try readAny(&scanner))
    case .inputData, .data:
      let isFrame = try isTable(&scanner)
      scanner.position = start
      return DecodedRequest(form: .azure, isFrame: isFrame, inputs: try readAny(&scanner))
    }
  }

  /// A list of rows, an object with `data`, or an object of columns or named tensors.
  private func readAny(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    switch scanner.peek() {
    case UInt8(ascii: "["): return try readList(&scanner)
    case UInt8(ascii: "{"):
      let start = scanner.position
      let isSplit = try holdsSplit(&scanner)
      scanner.position = start
      return isSplit ? try readSplit(&scanner) : try readObject(&scanner)
    default: throw scanner.unexpected("a list of rows, or an object with columns and data")
    }
  }

  /// Whether an object is a table in split form: `data` is a member and the model has no input
  /// of that name.
  private func holdsSplit(_ scanner: inout PayloadScanner) throws(PayloadFault) -> Bool {
    guard try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object") else {
      return false
    }
    let key = try scanner.string()
    // The members come in any order, but one of these three is first in any split form.
    return ["columns", "index", "data"].contains(key) && targets[key] == nil
      && signature.inputIndex(named: key) == nil
  }

  /// Whether what follows is an object in split form: Azure turns it into a data frame.
  private func isTable(_ scanner: inout PayloadScanner) throws(PayloadFault) -> Bool {
    guard scanner.peek() == UInt8(ascii: "{") else { return false }
    return try holdsSplit(&scanner)
  }

  private func isListOfObjects(_ scanner: inout PayloadScanner) throws(PayloadFault) -> Bool {
    guard scanner.peek() == UInt8(ascii: "[") else { return false }
    scanner.position += 1
    return scanner.peek() == UInt8(ascii: "{")
  }
}

/// `'a', 'b' and 'c'`.
func listed(_ names: [String]) -> String {
  let shown = names.prefix(40).map { "'\($0)'" }
  let more = names.count > 40 ? " and \(names.count - 40) more" : ""
  return shown.joined(separator: ", ") + more
}
