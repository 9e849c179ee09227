internal import Documents
internal import Executors
internal import Tensors

// A request of the Open Inference Protocol. Source: `WIRE.md` §2.1 and §2.2.

/// An output as a request asks for it.
package struct OutputRequest: Sendable, Equatable {
  package var name: String
  /// nil: as the request's parameters say for all.
  package var isBinary: Bool?
  /// The best so many classes as text in place of the numbers.
  package var classCount: Int?

  package init(name: String, isBinary: Bool? = nil, classCount: Int? = nil) {
    self.name = name
    self.isBinary = isBinary
    self.classCount = classCount
  }
}

extension PayloadDecoder {
  /// JSON, JSON and binary tensors behind it, or one tensor's bytes and nothing else.
  package func decodeInference(
    _ body: Span<UInt8>, _ call: InferenceCall
  ) throws(ScoringError) -> DecodedRequest {
    if call.headerByteCount == 0 { return try decodeRaw(body, call) }
    let headerByteCount = call.headerByteCount ?? body.count
    guard headerByteCount <= body.count else {
      throw .badInput(
        "inference header size should be in range (0, \(body.count)), got: \(headerByteCount)")
    }
    let header = body.extracting(0..<headerByteCount)
    var id: String?
    do throws(PayloadFault) {
      return try readInference(
        header, tail: body.extracting(headerByteCount...), call, nil, id: &id)
    } catch let first {
      let collector = FaultCollector()
      if body.count <= FaultCollector.maxBodyBytes {
        do throws(PayloadFault) {
          _ = try readInference(
            header, tail: body.extracting(headerByteCount...), call, collector, id: &id)
        } catch {
          collector.end(with: error)
        }
      }
      throw InferenceFault.error(
        collector.faults.count > 1 ? collector.faults : [first], in: header, id: id)
    }
  }

  private func readInference(
    _ header: Span<UInt8>, tail: Span<UInt8>, _ call: InferenceCall,
    _ collector: FaultCollector?, id: inout String?
  ) throws(PayloadFault) -> DecodedRequest {
    var scanner = PayloadScanner(header)
    scanner.collector = collector
    var context = TensorContext(model: call.modelName)
    var inputs: [Tensor?] = []
    var hasInputs = false
    var outputsPosition: Int?
    var binaryByDefault = false
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "a JSON object with inputs") {
      repeat {
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        _ = scanner.peek()
        let position = scanner.position
        do throws(PayloadFault) {
          switch key {
          case "inputs":
            guard !hasInputs else { throw scanner.fault("is there twice") }
            hasInputs = true
            inputs = try readNamedTensors(&scanner, tail: tail, &context)
          case "id":
            guard scanner.peek() == UInt8(ascii: "\"") else {
              if scanner.takes("null") { break }
              throw scanner.unexpected("a string")
            }
            id = try scanner.string()
          case "outputs":
            outputsPosition = position
            try scanner.skipValue(depth: 1)
          case "parameters":
            binaryByDefault = try readParameters(&scanner)
          default: try scanner.skipValue(depth: 1)
          }
        } catch {
          context.isUncertain = true
          try scanner.pass(over: position, error, depth: 1)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    guard scanner.peek() == nil else {
      throw scanner.fault("goes on behind the JSON object with \(scanner.description())")
    }
    if !hasInputs {
      try scanner.note(
        scanner.fault(
          "Unable to parse 'inputs': there is no such member; expected a list of inputs", at: 0))
    } else if context.nextByte != tail.count, !context.isUncertain {
      try scanner.note(
        scanner.fault(
          "unexpected additional input data\(context.forModel): the inputs take "
            + "\(context.nextByte) bytes behind the JSON, \(tail.count) came", at: 0))
    }
    var request = DecodedRequest(form: .inferenceProtocol, inputs: inputs)
    request.id = id
    request.binaryByDefault = binaryByDefault
    if let outputsPosition {
      scanner.position = outputsPosition
      request.outputRequests = try readOutputs(&scanner, context)
    }
    return request
  }

  /// The request's own parameters. Those that nobody knows are the caller's and mean nothing here.
  ///
  /// - Returns: Whether outputs are binary that do not say so themselves.
  private func readParameters(_ scanner: inout PayloadScanner) throws(PayloadFault) -> Bool {
    var isBinary = false
    if scanner.takes("null") { return false }
    guard
      try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object of parameters")
    else { return false }
    repeat {
      _ = scanner.peek()
      let start = scanner.position
      let name = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"), "':'")
      let position = scanner.position
      do throws(PayloadFault) {
        switch name {
        case "binary_data_output": isBinary = try readBool(&scanner, name)
        case "priority", "timeout": _ = try readCount(&scanner, name)
        case "sequence_start", "sequence_end": _ = try readBool(&scanner, name)
        case _ where name.hasPrefix("triton_"):
          throw scanner.fault(
            "parameter keys starting with 'triton_' are reserved, got '\(name.prefix(80))'",
            at: start)
        default:
          switch scanner.peek() {
          case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "n"):
            throw scanner.unexpected(
              "a string, a number or a boolean for parameter '\(name.prefix(80))'")
          default: try scanner.skipValue(depth: 2)
          }
        }
      } catch {
        try scanner.pass(over: position, error, depth: 2)
      }
    } while try scanner.continues(until: UInt8(ascii: "}"))
    return isBinary
  }

  // MARK: Outputs

  /// `[{"name", "parameters": {"binary_data", "classification"}}, …]`; an empty list means all.
  private func readOutputs(
    _ scanner: inout PayloadScanner, _ context: TensorContext
  ) throws(PayloadFault) -> [OutputRequest]? {
    var requests: [OutputRequest] = []
    if scanner.takes("null") { return nil }
    guard try scanner.enters(UInt8(ascii: "["), UInt8(ascii: "]"), "a list of outputs") else {
      return nil
    }
    repeat {
      _ = scanner.peek()
      let start = scanner.position
      do throws(PayloadFault) {
        let request = try readOutput(&scanner)
        guard isOutput(request.name) else {
          throw scanner.fault(
            "unexpected inference output '\(request.name.prefix(80))'\(context.forModel)"
              + nearText(request.name, signature.outputs.map(\.name)), at: start)
        }
        guard !requests.contains(where: { $0.name == request.name }) else {
          throw scanner.fault("output '\(request.name)' already exists in request", at: start)
        }
        requests.append(request)
      } catch {
        try scanner.pass(over: start, error, depth: 2)
      }
    } while try scanner.continues(until: UInt8(ascii: "]"))
    return requests
  }

  private func isOutput(_ name: String) -> Bool { signature.protocolOutput(named: name) != nil }

  private func readOutput(_ scanner: inout PayloadScanner) throws(PayloadFault) -> OutputRequest {
    let start = scanner.position
    var name: String?
    var request = OutputRequest(name: "")
    if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an output (an object)") {
      repeat {
        let key = try scanner.string()
        try scanner.expect(UInt8(ascii: ":"), "':'")
        switch key {
        case "name":
          _ = scanner.peek()
          name = try scanner.string()
        case "parameters": try readOutputParameters(&scanner, into: &request)
        default: try scanner.skipValue(depth: 3)
        }
      } while try scanner.continues(until: UInt8(ascii: "}"))
    }
    guard let name else { throw scanner.fault("expected the member name", at: start) }
    request.name = name
    return request
  }

  private func readOutputParameters(
    _ scanner: inout PayloadScanner, into request: inout OutputRequest
  ) throws(PayloadFault) {
    guard
      try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object of parameters")
    else { return }
    repeat {
      _ = scanner.peek()
      let start = scanner.position
      let name = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"), "':'")
      let position = scanner.position
      do throws(PayloadFault) {
        switch name {
        case "binary_data": request.isBinary = try readBool(&scanner, name)
        case "classification":
          let count = try readCount(&scanner, name)
          request.classCount = count == 0 ? nil : count
        case "shared_memory_region":
          throw scanner.fault("shared memory is not served here", at: start)
        default: try scanner.skipValue(depth: 3)
        }
      } catch {
        try scanner.pass(over: position, error, depth: 3)
      }
    } while try scanner.continues(until: UInt8(ascii: "}"))
  }

  // MARK: Values of parameters

  func readBool(_ scanner: inout PayloadScanner, _ name: String) throws(PayloadFault) -> Bool {
    _ = scanner.peek()
    if scanner.takes("true") { return true }
    if scanner.takes("false") { return false }
    throw scanner.unexpected("a boolean for '\(name)'")
  }

  func readCount(_ scanner: inout PayloadScanner, _ name: String) throws(PayloadFault) -> Int {
    _ = scanner.peek()
    let start = scanner.position
    guard let number = NumberScanner.scan(scanner.text, at: &scanner.position),
      number.isInteger, !number.isNegative || number.magnitude == 0,
      let count = Int(exactly: number.magnitude)
    else {
      scanner.position = start
      throw scanner.unexpected("an integer from 0 on for '\(name)'")
    }
    return count
  }
}

/// `; did you mean 'X'?`, or nothing.
func nearText(_ name: String, _ known: [String]) -> String {
  NameDistance.nearest(to: name, in: known).map { "; did you mean '\($0)'?" } ?? ""
}

/// An error as this protocol's clients know it: the sentence first, then where.
enum InferenceFault {
  static func error(_ faults: [PayloadFault], in text: Span<UInt8>, id: String?) -> ScoringError {
    var sentences: [String] = []
    for fault in faults {
      sentences.append(
        "\(PayloadPlace.reason(fault)) (at \(PayloadPlace.place(fault, in: text)))")
    }
    return .badInput(
      "[request id: \((id ?? "<id_unknown>").prefix(80))] "
        + sentences.joined(separator: "; "))
  }
}
