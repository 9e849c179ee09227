import ArgumentParser
import Documents

/// How a result is printed: as `az` does.
enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
  case json, yaml, table, tsv
}

struct OutputOptions: ParsableArguments {
  @Option(name: [.customShort("o"), .long], help: "json, yaml, table or tsv.")
  var output = OutputFormat.json

  @Option(help: "Print only this part of the result: a dotted path such as traffic.blue.")
  var query: String?

  func validate() throws { try Self.check(query: query) }

  /// Before anything is done: who asks wrongly asks again, and would make a second job.
  static func check(query: String?) throws {
    guard let query else { return }
    do throws(CommandFailure) {
      _ = try DocumentPath(query)
    } catch {
      throw ValidationError("--query: \(error.message)")
    }
  }

  func print(_ result: DocumentValue) throws(CommandFailure) {
    var result = result
    if let query { result = try DocumentPath(query).value(in: result) }
    StandardOutput.write(OutputText.text(of: result, as: output))
  }
}

enum OutputText {
  static func text(of value: DocumentValue, as format: OutputFormat) -> String {
    switch format {
    case .json:
      var writer = JSONWriter()
      writer.document(value, pretty: true)
      return String(decoding: writer.bytes, as: UTF8.self) + "\n"
    case .yaml:
      return YAMLWriter.text(value)
    case .tsv:
      return rows(of: value).map { $0.joined(separator: "\t") + "\n" }.joined()
    case .table:
      return table(value)
    }
  }

  /// One line for each element; an object's scalar members in their order.
  private static func rows(of value: DocumentValue) -> [[String]] {
    switch value {
    case .array(let elements):
      elements.map(cells)
    case .null:
      []
    default:
      [cells(of: value)]
    }
  }

  private static func cells(of value: DocumentValue) -> [String] {
    switch value {
    case .object(let object): object.members.map { scalar($0.value) }
    case .array(let elements): elements.map(scalar)
    default: [scalar(value)]
    }
  }

  private static func table(_ value: DocumentValue) -> String {
    let objects: [DocumentObject]
    switch value {
    case .array(let elements):
      objects = elements.map { element in
        if case .object(let object) = element { return object }
        return DocumentObject(["Result": element])
      }
    case .object(let object): objects = [object]
    default: objects = [DocumentObject(["Result": value])]
    }
    var names: [String] = []
    for object in objects {
      for (name, value) in object.members where !names.contains(name) && isScalar(value) {
        names.append(name)
      }
    }
    let body = objects.map { object in names.map { scalar(object[$0] ?? .null) } }
    let titles = names.map { $0.prefix(1).uppercased() + $0.dropFirst() }
    let widths = names.indices.map { column in
      ([titles[column]] + body.map { $0[column] }).map(\.count).max() ?? 0
    }
    let lines = [titles, widths.map { String(repeating: "-", count: $0) }] + body
    return lines.map { line in
      let padded = line.enumerated().map { column, cell in
        cell + String(repeating: " ", count: widths[column] - cell.count)
      }
      var text = padded.joined(separator: "  ")
      while text.last == " " { text.removeLast() }
      return text + "\n"
    }.joined()
  }

  private static func isScalar(_ value: DocumentValue) -> Bool {
    switch value {
    case .array, .object: false
    default: true
    }
  }

  private static func scalar(_ value: DocumentValue) -> String {
    switch value {
    case .null: return ""
    case .string(let text): return text
    case .bool(let value): return value ? "True" : "False"
    case .integer(let value): return String(value)
    case .double, .array, .object:
      var writer = JSONWriter()
      writer.document(value)
      return String(decoding: writer.bytes, as: UTF8.self)
    }
  }
}
