internal import Serving

extension JobOrder.Input {
  /// Whether a file's name says how it is read.
  package static func tellsForm(_ name: String) -> Bool { InputKind(name: name) != nil }
}

/// How a file of input is read, by the ending of its name in any case.
struct InputKind: Sendable, Equatable {
  enum Form: Sendable, Equatable {
    case text(TableDecoder.Format)
    case numbers
  }

  var form: Form
  var isPacked: Bool

  /// Source of the endings: what pandas, Spark and NumPy write.
  static let known = ".csv, .jsonl, .ndjson, .json (a record a line), each also with .gz, and .npy"

  /// - Returns: nil for a name whose ending says nothing.
  init?(name: String) {
    var name = name.lowercased()[...]
    isPacked = name.hasSuffix(".gz")
    if isPacked { name = name.dropLast(3) }
    if name.hasSuffix(".csv") {
      form = .text(.csv)
    } else if name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson") || name.hasSuffix(".json") {
      form = .text(.jsonl)
    } else if name.hasSuffix(".npy"), !isPacked {
      form = .numbers
    } else {
      return nil
    }
  }

  init(form: Form, isPacked: Bool) {
    self.form = form
    self.isPacked = isPacked
  }

  /// What a file is that a glob has chosen, whatever it is called.
  static func chosen(name: String) -> InputKind {
    InputKind(name: name)
      ?? InputKind(form: .text(.csv), isPacked: name.lowercased().hasSuffix(".gz"))
  }

  /// The name without the endings that say how it is read.
  static func stem(of path: String) -> String {
    var stem = path[...]
    if stem.lowercased().hasSuffix(".gz") { stem = stem.dropLast(3) }
    for ending in [".csv", ".jsonl", ".ndjson", ".json", ".npy"]
    where stem.lowercased().hasSuffix(ending) {
      stem = stem.dropLast(ending.count)
      break
    }
    return String(stem)
  }
}
