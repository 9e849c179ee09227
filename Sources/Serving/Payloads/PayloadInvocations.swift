internal import Documents

extension PayloadDecoder {
  /// As `decode`, with the sentences that MLflow's clients look for before ours. Source:
  /// `WIRE.md` §2.5.
  func decodeInvocations(_ body: Span<UInt8>) throws(ScoringError) -> DecodedRequest {
    do throws(ScoringError) {
      let request = try decode(body)
      guard !request.namesSignature else {
        throw ScoringError.badInput("The \"signature_name\" parameter is currently not supported")
      }
      return request
    } catch {
      if PayloadDecoder.isAboutParameters(error) {
        throw error.prefixed(with: "Invalid parameters found: ")
      }
      guard let prefix = PayloadDecoder.mlflowSentence(body) else { throw error }
      throw error.prefixed(with: prefix + " ")
    }
  }

  private static func isAboutParameters(_ error: ScoringError) -> Bool {
    switch error {
    case .badInput(let sentence): sentence.hasPrefix("$.params")
    case .badInputs(let problems): problems.first?.path.hasPrefix("$.params") == true
    default: false
    }
  }

  /// What MLflow says of a body that is not one of its forms; nil when it is one.
  private static func mlflowSentence(_ body: Span<UInt8>) -> String? {
    let invalid = "Invalid input. Ensure that input is a valid JSON formatted string."
    let several =
      "The input must be a JSON dictionary with exactly one of the input fields "
      + "{'dataframe_split', 'dataframe_records', 'instances', 'inputs'}."
    var scanner = PayloadScanner(body)
    do throws(PayloadFault) {
      try scanner.skipValue()
      guard scanner.peek() == nil else { return invalid }
      scanner.position = 0
      guard scanner.peek() == UInt8(ascii: "{") else { return several }
      var forms = 0
      var sentence: String?
      if try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object") {
        repeat {
          let key = try scanner.string()
          try scanner.expect(UInt8(ascii: ":"), "':'")
          let first = scanner.peek()
          switch Form(rawValue: key) {
          case .split?:
            sentence =
              first == UInt8(ascii: "{")
              ? "Provided dataframe_split field is not a valid dataframe representation generated "
                + "using pandas.DataFrame.to_dict(orient='split')."
              : "Dataframe split format must be a dictionary. Got \(typeName(first))."
          case .records?:
            sentence =
              first == UInt8(ascii: "[")
              ? "Provided dataframe_records field is not a valid dataframe representation "
                + "generated using pandas.DataFrame.to_dict(orient='records')."
              : "Dataframe records format must be a list of records. Got \(typeName(first))."
          case nil, .inputData?, .data?, .instances?, .inputs?: break
          }
          if Form(rawValue: key) != nil { forms += 1 }
          try scanner.skipValue(depth: 1)
        } while try scanner.continues(until: UInt8(ascii: "}"))
      }
      return forms == 1 ? sentence : several
    } catch {
      return invalid
    }
  }

  private static func typeName(_ first: UInt8?) -> String {
    switch first {
    case UInt8(ascii: "["): "list"
    case UInt8(ascii: "{"): "dictionary"
    case UInt8(ascii: "\""): "string"
    default: "a value"
    }
  }
}
