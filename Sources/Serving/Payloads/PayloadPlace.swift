/// Where a byte of a JSON text stands: `$.input_data.data[3][2]`, line and column.
///
/// Walks from the start once there is a fault to tell of, so that decoding need not keep a path.
enum PayloadPlace {
  /// The whole sentence for a fault. Names in it are the client's: what is long is cut.
  static func sentence(_ fault: PayloadFault, in text: Span<UInt8>) -> String {
    "\(cut(path(in: text, to: fault.offset), to: 300)) \(reason(fault))"
      + " (line \(line(in: text, to: fault.offset)))"
  }

  static func problem(_ fault: PayloadFault, in text: Span<UInt8>) -> InputProblem {
    InputProblem(
      path: cut(path(in: text, to: fault.offset), to: 300), reason: reason(fault),
      line: line(in: text, to: fault.offset))
  }

  /// What is wrong, without where.
  static func reason(_ fault: PayloadFault) -> String { cut(fault.reason, to: 2000) }

  /// Where alone: `$.inputs[0].shape, line 1, column 20`.
  static func place(_ fault: PayloadFault, in text: Span<UInt8>) -> String {
    "\(cut(path(in: text, to: fault.offset), to: 300)), "
      + "line \(line(in: text, to: fault.offset))"
  }

  private static func cut(_ text: String, to count: Int) -> String {
    text.utf8.count <= count ? text : text.prefix(count) + "…"
  }

  private static func line(in text: Span<UInt8>, to offset: Int) -> String {
    var line = 1
    var column = 1
    for index in 0..<min(offset, text.count) {
      if text[index] == 0x0A {
        line += 1
        column = 1
      } else {
        column += 1
      }
    }
    return "\(line), column \(column)"
  }

  private enum Step {
    case member(String)
    case element(Int)
  }

  private static func path(in text: Span<UInt8>, to offset: Int) -> String {
    var steps: [Step] = []
    var index = 0
    var isKeyNext = false
    while index < min(offset, text.count) {
      switch text[index] {
      case UInt8(ascii: "{"):
        steps.append(.member(""))
        isKeyNext = true
      case UInt8(ascii: "["):
        steps.append(.element(0))
        isKeyNext = false
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        _ = steps.popLast()
        isKeyNext = false
      case UInt8(ascii: ","):
        if case .element(let number)? = steps.last {
          steps[steps.count - 1] = .element(number + 1)
        } else {
          isKeyNext = true
        }
      case UInt8(ascii: "\""):
        let start = index + 1
        index = start
        while index < text.count, text[index] != UInt8(ascii: "\"") {
          index += text[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        if isKeyNext, index < offset, case .member? = steps.last {
          var bytes: [UInt8] = []
          for place in start..<min(index, text.count) { bytes.append(text[place]) }
          steps[steps.count - 1] = .member(String(decoding: bytes, as: UTF8.self))
          isKeyNext = false
        }
      default: break
      }
      index += 1
    }
    var path = "$"
    for step in steps {
      switch step {
      case .member(let name): if !name.isEmpty { path += ".\(name)" }
      case .element(let number): path += "[\(number)]"
      }
    }
    return path
  }
}
