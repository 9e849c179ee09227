internal import Documents
internal import Executors
internal import Tensors

// TensorFlow Serving's and KServe's `:predict` bodies. Source: `WIRE.md` §2.6.

extension PayloadDecoder {
  /// `{"instances": rows}` or `{"inputs": columns}`, with an optional `signature_name`.
  package func decodePredict(_ body: Span<UInt8>) throws(ScoringError) -> DecodedRequest {
    do throws(PayloadFault) {
      return try readPredict(body, nil)
    } catch let first {
      let collector = FaultCollector()
      if body.count <= FaultCollector.maxBodyBytes {
        do throws(PayloadFault) {
          _ = try readPredict(body, collector)
        } catch {
          collector.end(with: error)
        }
      }
      throw PayloadPlace.error(first: first, collector, in: body)
    }
  }

  private func readPredict(
    _ body: Span<UInt8>, _ collector: FaultCollector?
  ) throws(PayloadFault) -> DecodedRequest {
    var scanner = PayloadScanner(body)
    scanner.collector = collector
    var inputs: [Tensor?] = []
    var hasInputs = false
    var isColumnar = false
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "a JSON object") {
      repeat {
        let start = scanner.position
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        _ = scanner.peek()
        let position = scanner.position
        do throws(PayloadFault) {
          switch key {
          case "instances", "inputs":
            guard !hasInputs else {
              throw scanner.fault("Not expecting both 'inputs' and 'instances' key", at: start)
            }
            hasInputs = true
            isColumnar = key == "inputs"
            inputs =
              isColumnar ? try readColumns(&scanner) : try readInstances(&scanner)
          case "signature_name":
            let name = try scanner.string()
            guard ["", "serving_default", "predict"].contains(name) else {
              throw scanner.fault(
                "Serving signature name: \"\(name.prefix(80))\" not found in signature def; "
                  + "the model has 'serving_default'", at: start)
            }
          default: try scanner.skipValue(depth: 1)
          }
        } catch {
          try scanner.pass(over: position, error, depth: 1)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    guard scanner.peek() == nil else {
      throw scanner.fault("goes on behind the JSON object with \(scanner.description())")
    }
    guard hasInputs else { throw scanner.fault("Missing 'inputs' or 'instances' key", at: 0) }
    var request = DecodedRequest(form: .tensorFlow, inputs: inputs)
    request.isColumnar = isColumnar
    return request
  }

  /// Columns: the one input's tensor, or an object with a tensor for each.
  private func readColumns(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    switch scanner.peek() {
    case UInt8(ascii: "["): return try readList(&scanner)
    case UInt8(ascii: "{"): return try readObject(&scanner)
    // A scalar, where the model's one input is one.
    case _? where signature.inputs.count == 1 && signature.inputs[0].shape.isEmpty:
      return try readNestedOnly(&scanner)
    default: throw scanner.unexpected("a list, or an object with a list for each input")
    }
  }

  /// Rows: values of the one input, or objects with a value for each.
  func readInstances(_ scanner: inout PayloadScanner) throws(PayloadFault) -> [Tensor?] {
    guard scanner.peek() == UInt8(ascii: "[") else { throw scanner.unexpected("a list of rows") }
    return try holdsNamedInputs(scanner)
      ? try readNamedInstances(&scanner) : try readList(&scanner)
  }

  /// Whether rows are objects by the inputs' names: not of a table's columns, and no bytes.
  private func holdsNamedInputs(
    _ scanner: borrowing PayloadScanner
  ) throws(PayloadFault) -> Bool {
    var ahead = PayloadScanner(scanner.text)
    ahead.position = scanner.position + 1
    guard ahead.peek() == UInt8(ascii: "{"), layout != .columnPerInput else { return false }
    ahead.position += 1
    guard ahead.peek() == UInt8(ascii: "\"") else { return layout == .tensors }
    let key = try ahead.string()
    return key != Base64.member && targets[key] == nil
      && (layout == .tensors || signature.inputIndex(named: key) != nil)
  }

  private func readNamedInstances(
    _ scanner: inout PayloadScanner
  ) throws(PayloadFault) -> [Tensor?] {
    let start = scanner.position
    var columns = signature.inputs.map { input in
      NamedColumn(
        builder: InputBuilder(
          input.elementType, capacity: 64, bodyByteCount: scanner.text.count))
    }
    var rows = 0
    if try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of rows") {
      repeat {
        try readNamedInstance(&scanner, row: rows, into: &columns)
        rows += 1
      } while try scanner.continues(until: UInt8(ascii: "]"))
    }
    var tensors: [Tensor?] = []
    for (column, input) in zip(columns, signature.inputs) {
      if column.isBroken || column.builder.isBroken || column.rows == 0 && !input.isRequired {
        tensors.append(nil)
        continue
      }
      do throws(PayloadFault) {
        tensors.append(try tensor(of: column, input, rows: rows, at: start))
      } catch {
        try scanner.note(error)
        tensors.append(nil)
      }
    }
    return tensors
  }

  private func tensor(
    of column: NamedColumn, _ input: ModelInput, rows: Int, at start: Int
  ) throws(PayloadFault) -> Tensor {
    let dimensions = [rows] + column.dimensions.dropFirst().map { $0 ?? 0 }
    let shape = try shape(dimensions, at: start)
    guard input.accepts(shape) else {
      throw PayloadFault(
        offset: start,
        reason: "has shape \(shape); input '\(input.name)' takes "
          + wireText(input.shape.map { $0 ?? -1 }))
    }
    guard let tensor = column.builder.tensor(shape) else {
      throw PayloadFault(
        offset: start,
        reason: "has '\(input.name)' in \(column.rows) of \(rows) instances; expected it in all")
    }
    return tensor
  }

  private func readNamedInstance(
    _ scanner: inout PayloadScanner, row: Int, into columns: inout [NamedColumn]
  ) throws(PayloadFault) {
    let start = scanner.position
    var seen = [Bool](repeating: false, count: columns.count)
    var unknown: [String] = []
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an instance (an object)") {
      repeat {
        _ = scanner.peek()
        let keyPosition = scanner.position
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        _ = scanner.peek()
        let position = scanner.position
        guard let index = signature.inputIndex(named: key), !seen[index] else {
          let known = signature.inputs.map(\.name)
          if unknown.count < PayloadDecoder.maxNamesTold { unknown.append(key) }
          try scanner.pass(
            over: position,
            scanner.fault(
              "Failed to process element: \(row) key: \(key.prefix(80)) of 'instances' list. "
                + "Error: the model takes \(listed(known))\(nearText(key, known))",
              at: keyPosition), depth: 3)
          continue
        }
        seen[index] = true
        do throws(PayloadFault) {
          try columns[index].read(&scanner, with: self)
        } catch {
          columns[index].isBroken = true
          try scanner.pass(over: position, error, depth: 3)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    let known = signature.inputs.map(\.name)
    // Named by a name that is nearly theirs: told already.
    let meant = unknown.compactMap { NameDistance.nearest(to: $0, in: known) }
    let missing = signature.inputs.indices.filter {
      !seen[$0] && signature.inputs[$0].isRequired
    }
    for index in missing { columns[index].isBroken = true }
    let names = missing.map { known[$0] }.filter { !meant.contains($0) }
    guard names.isEmpty else {
      return try scanner.note(
        scanner.fault(
          "Failed to process element: \(row) of 'instances' list. Error: it has no "
            + listed(names), at: start))
    }
  }
}

/// One input while it is filled, instance by instance.
private struct NamedColumn {
  var builder: InputBuilder
  /// The first is the number of instances, known at the end.
  var dimensions: [Int?] = [nil]
  var elements = 0
  var rows = 0
  /// Something is wrong with it that is told already.
  var isBroken = false

  @_lifetime(scanner: copy scanner)
  mutating func read(
    _ scanner: inout PayloadScanner, with decoder: PayloadDecoder
  ) throws(PayloadFault) {
    try decoder.readNested(
      &scanner, depth: 1, &dimensions, into: &builder, at: &elements)
    rows += 1
  }
}
