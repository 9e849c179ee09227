// Compares two JSON answers value by value: the same structure, numbers within a tolerance, all
// else equal. Members of an object may stand in another order. NaN equals NaN.

/// How far a number may lie from the expected one: `atol + rtol * abs(expected)`.
package struct AnswerTolerance: Sendable, Equatable {
  package var relative: Double
  package var absolute: Double

  package static let exact = AnswerTolerance(relative: 0, absolute: 0)

  package init(relative: Double, absolute: Double) {
    self.relative = relative
    self.absolute = absolute
  }

  /// Trees exactly, others as near as matrix products of two libraries come; a model's
  /// properties may say otherwise.
  package init(format: String, properties: [String: String]) throws(DeploymentFailure) {
    let isTree = format.hasPrefix("xgboost") || format.hasPrefix("lightgbm")
    relative =
      try AnswerTolerance.number(ModelProperties.relativeToleranceKey, properties)
      ?? (isTree ? 0 : 1e-4)
    absolute =
      try AnswerTolerance.number(ModelProperties.absoluteToleranceKey, properties)
      ?? (isTree ? 0 : 1e-5)
  }

  private static func number(
    _ key: String, _ properties: [String: String]
  ) throws(DeploymentFailure) -> Double? {
    guard let text = properties[key] else { return nil }
    guard let value = Double(text), value.isFinite, value >= 0 else {
      throw DeploymentFailure(
        code: "BadArgument", message: "\(key) is '\(text)'; expected a number of at least 0")
    }
    return value
  }

  func accepts(_ received: Double, expected: Double) -> Bool {
    if received == expected || (received.isNaN && expected.isNaN) { return true }
    // Nothing is near an infinity.
    guard received.isFinite, expected.isFinite else { return false }
    return (received - expected).magnitude <= absolute + relative * expected.magnitude
  }
}

/// Where two answers differ first, in a sentence; nil when they agree.
func firstDifference(
  expected: [UInt8], received: [UInt8], tolerance: AnswerTolerance
) -> String? {
  var expectedReader = AnswerReader(text: expected)
  var receivedReader = AnswerReader(text: received)
  guard let expectedValue = expectedReader.readWhole() else {
    return "sample-response.json is no JSON near byte \(expectedReader.position)"
  }
  guard let receivedValue = receivedReader.readWhole() else {
    return "the answer is no JSON near byte \(receivedReader.position)"
  }
  return firstDifference(expectedValue, receivedValue, at: "$", tolerance)
}

private indirect enum AnswerValue: Equatable {
  case number(Double)
  /// Written without point and exponent: a class, a count, a code. Its digits, since a double does
  /// not hold all of them.
  case integer(String)
  case string(String)
  /// `true`, `false` or `null`.
  case word(String)
  case array([AnswerValue])
  case object([String: AnswerValue])
}

private func firstDifference(
  _ expected: AnswerValue, _ received: AnswerValue, at path: String, _ tolerance: AnswerTolerance
) -> String? {
  switch (expected, received) {
  case (.number(let expectedNumber), .number(let receivedNumber)):
    if tolerance.accepts(receivedNumber, expected: expectedNumber) { return nil }
    return "\(path) is \(receivedNumber), expected \(expectedNumber)"
  case (.integer(let expectedDigits), .integer(let receivedDigits)):
    if expectedDigits == receivedDigits { return nil }
    return "\(path) is \(receivedDigits), expected \(expectedDigits)"
  // One writes 1.0 where another writes 1.
  case (.integer(let digits), .number(let receivedNumber)):
    if tolerance.accepts(receivedNumber, expected: Double(digits) ?? .nan) { return nil }
    return "\(path) is \(receivedNumber), expected \(digits)"
  case (.number(let expectedNumber), .integer(let digits)):
    if tolerance.accepts(Double(digits) ?? .nan, expected: expectedNumber) { return nil }
    return "\(path) is \(digits), expected \(expectedNumber)"
  case (.string(let expectedText), .string(let receivedText)):
    if expectedText == receivedText { return nil }
    return "\(path) is \"\(receivedText)\", expected \"\(expectedText)\""
  case (.word(let expectedWord), .word(let receivedWord)):
    if expectedWord == receivedWord { return nil }
    return "\(path) is \(receivedWord), expected \(expectedWord)"
  case (.array(let expectedElements), .array(let receivedElements)):
    guard expectedElements.count == receivedElements.count else {
      return "\(path) has \(receivedElements.count) elements, expected \(expectedElements.count)"
    }
    for index in expectedElements.indices {
      if let difference = firstDifference(
        expectedElements[index], receivedElements[index], at: "\(path)[\(index)]", tolerance)
      {
        return difference
      }
    }
    return nil
  case (.object(let expectedMembers), .object(let receivedMembers)):
    let expectedKeys = expectedMembers.keys.sorted()
    let receivedKeys = receivedMembers.keys.sorted()
    guard expectedKeys == receivedKeys else {
      return "\(path) has the members \(receivedKeys), expected \(expectedKeys)"
    }
    for key in expectedKeys {
      guard let expectedMember = expectedMembers[key], let receivedMember = receivedMembers[key]
      else { continue }
      if let difference = firstDifference(
        expectedMember, receivedMember, at: "\(path).\(key)", tolerance)
      {
        return difference
      }
    }
    return nil
  default:
    return "\(path) is \(kind(of: received)), expected \(kind(of: expected))"
  }
}

private func kind(of value: AnswerValue) -> String {
  switch value {
  case .number(let number): "\(number)"
  case .integer(let digits): digits
  case .string(let text): "\"\(text)\""
  case .word(let word): word
  case .array: "a list"
  case .object: "an object"
  }
}

/// Reads the JSON of answers, with bare NaN and infinities, which the documents' reader refuses.
private struct AnswerReader {
  let text: [UInt8]
  var position = 0

  private static let maxDepth = 64

  init(text: [UInt8]) { self.text = text }

  mutating func readWhole() -> AnswerValue? {
    guard let value = read(depth: 0) else { return nil }
    skipSpace()
    return position == text.count ? value : nil
  }

  private mutating func read(depth: Int) -> AnswerValue? {
    guard depth < AnswerReader.maxDepth else { return nil }
    skipSpace()
    guard position < text.count else { return nil }
    switch text[position] {
    case UInt8(ascii: "["): return readArray(depth: depth)
    case UInt8(ascii: "{"): return readObject(depth: depth)
    case UInt8(ascii: "\""): return readString().map { .string($0) }
    default: return readWord()
    }
  }

  private mutating func readArray(depth: Int) -> AnswerValue? {
    position += 1
    var elements: [AnswerValue] = []
    if skip(UInt8(ascii: "]")) { return .array(elements) }
    while true {
      guard let element = read(depth: depth + 1) else { return nil }
      elements.append(element)
      if skip(UInt8(ascii: ",")) { continue }
      return skip(UInt8(ascii: "]")) ? .array(elements) : nil
    }
  }

  private mutating func readObject(depth: Int) -> AnswerValue? {
    position += 1
    var members: [String: AnswerValue] = [:]
    if skip(UInt8(ascii: "}")) { return .object(members) }
    while true {
      skipSpace()
      guard position < text.count, text[position] == UInt8(ascii: "\""), let key = readString(),
        skip(UInt8(ascii: ":")), let value = read(depth: depth + 1)
      else { return nil }
      members[key] = value
      if skip(UInt8(ascii: ",")) { continue }
      return skip(UInt8(ascii: "}")) ? .object(members) : nil
    }
  }

  /// What the string means: Python's `json.dump` escapes what is no ASCII, we do not.
  private mutating func readString() -> String? {
    position += 1
    let start = position
    while position < text.count {
      switch text[position] {
      case UInt8(ascii: "\\"): position += 2
      case UInt8(ascii: "\""):
        var bytes: [UInt8] = []
        do throws(PayloadFault) {
          try PayloadEscapes.decode(text.span, start..<position, into: &bytes)
        } catch {
          return nil
        }
        position += 1
        return String(decoding: bytes, as: UTF8.self)
      default: position += 1
      }
    }
    return nil
  }

  private mutating func readWord() -> AnswerValue? {
    let start = position
    while position < text.count, !AnswerReader.endsWord(text[position]) { position += 1 }
    let word = String(decoding: text[start..<position], as: UTF8.self)
    switch word {
    case "true", "false", "null": return .word(word)
    case "NaN": return .number(.nan)
    case "Infinity": return .number(.infinity)
    case "-Infinity": return .number(-.infinity)
    default:
      guard let number = Double(word) else { return nil }
      let digits = word.utf8.drop { $0 == UInt8(ascii: "-") }
      let isInteger = digits.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
      return isInteger ? .integer(word) : .number(number)
    }
  }

  private static func endsWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: ":"),
      UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"):
      true
    default: false
    }
  }

  private mutating func skipSpace() {
    while position < text.count,
      [UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t")]
        .contains(text[position])
    {
      position += 1
    }
  }

  private mutating func skip(_ byte: UInt8) -> Bool {
    skipSpace()
    guard position < text.count, text[position] == byte else { return false }
    position += 1
    return true
  }
}
