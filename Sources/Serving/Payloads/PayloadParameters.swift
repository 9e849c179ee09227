internal import Documents
internal import Executors

/// MLflow's `params`: the models that run here have no use for any, but what the signature names
/// must be of its type. Source: mlflow, `_enforce_params_schema`.
extension PayloadDecoder {
  /// - Returns: Those that the signature does not name, which the log is told of.
  func readParameters(
    _ scanner: inout PayloadScanner, known: [ModelParameter]
  ) throws(PayloadFault) -> [String] {
    var ignored: [String] = []
    if scanner.takes("null") { return ignored }
    if known.isEmpty, scanner.peek() != UInt8(ascii: "{") {
      // Without a signature of parameters MLflow passes over whatever comes.
      try scanner.skipValue(depth: 1)
      return ignored
    }
    guard try scanner.enters(UInt8(ascii: "{"), UInt8(ascii: "}"), "an object of parameters")
    else { return ignored }
    repeat {
      _ = scanner.peek()
      let name = try scanner.string()
      try scanner.expect(UInt8(ascii: ":"), "':'")
      if let parameter = known.first(where: { $0.name == name }) {
        try read(&scanner, parameter)
      } else {
        if ignored.count < PayloadDecoder.maxNamesTold { ignored.append(name) }
        try scanner.skipValue(depth: 2)
      }
    } while try scanner.continues(until: UInt8(ascii: "}"))
    return ignored
  }

  private func read(
    _ scanner: inout PayloadScanner, _ parameter: ModelParameter
  ) throws(PayloadFault) {
    guard parameter.isList else { return try readOne(&scanner, parameter) }
    guard
      try scanner.enters(
        UInt8(ascii: "["), UInt8(ascii: "]"),
        "a list of \(parameter.typeName): parameter '\(parameter.name)' of the signature")
    else { return }
    repeat {
      try readOne(&scanner, parameter)
    } while try scanner.continues(until: UInt8(ascii: "]"))
  }

  private func readOne(
    _ scanner: inout PayloadScanner, _ parameter: ModelParameter
  ) throws(PayloadFault) {
    _ = scanner.peek()
    let start = scanner.position
    // No value is one of any type.
    if scanner.takes("null") { return }
    let fits: Bool
    switch parameter.kind {
    case .boolean: fits = scanner.takes("true") || scanner.takes("false")
    case .integer: fits = takesInteger(&scanner)
    case .number:
      fits =
        NumberScanner.scan(scanner.text, at: &scanner.position) != nil || scanner.takes("NaN")
        || scanner.takes("Infinity") || scanner.takes("-Infinity")
    case .text:
      fits = scanner.peek() == UInt8(ascii: "\"")
      if fits { _ = try scanner.string() }
    case .other:
      fits = true
      try scanner.skipValue(depth: 2)
    }
    guard !fits else { return }
    scanner.position = start
    try scanner.note(
      scanner.unexpected(
        "a value of type \(parameter.typeName), as parameter '\(parameter.name)' has in the "
          + "signature"))
    try scanner.skipValue(depth: 2)
  }

  /// A number without fraction and exponent, of any size, as Python has them.
  private func takesInteger(_ scanner: inout PayloadScanner) -> Bool {
    let start = scanner.position
    guard let number = NumberScanner.scan(scanner.text, at: &scanner.position) else { return false }
    if number.isInteger { return true }
    for index in start..<scanner.position {
      let byte = scanner.text[index]
      let isDigit = byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9")
      if !isDigit && !(index == start && byte == UInt8(ascii: "-")) { return false }
    }
    return true
  }
}
