import Executors
import Tensors

// String tensors, where converters make them.

extension OperatorTable {
  static let text: [OperatorDefinition] = [
    OperatorDefinition("StringNormalizer", [10], [.string]) { context throws(ModelFormatError) in
      let action = try context.string("case_change_action") ?? "NONE"
      guard let change = StringNormalizer.Change(rawValue: action) else {
        throw context.malformed("case_change_action is '\(action)'")
      }
      // Unicode's own mappings: what `en_US` and `C.UTF-8` do.
      let locale = try context.string("locale") ?? ""
      guard ["", "en_US", "en_US.UTF-8", "C", "C.UTF-8"].contains(locale) else {
        throw context.unsupported("locale '\(locale)' is not run")
      }
      return BuiltOperator(
        StringNormalizer(
          change: change, isCaseSensitive: try context.integer("is_case_sensitive") ?? 0 != 0,
          stopwords: try context.strings("stopwords") ?? []), .string)
    },
    OperatorDefinition("StringConcat", [20], [.string], others: [.same], minInputs: 2, maxInputs: 2)
    { _ throws(ModelFormatError) in BuiltOperator(StringConcat(), .string) },
    OperatorDefinition("StringSplit", [20], [.string]) { context throws(ModelFormatError) in
      BuiltOperator(
        StringSplit(
          delimiter: Array((try context.string("delimiter") ?? "").utf8),
          maxSplits: try context.integer("maxsplit")), .string, .int64)
    },
    OperatorDefinition("TfIdfVectorizer", [9], [.string, .int32, .int64]) {
      context throws(ModelFormatError) in
      BuiltOperator(try TfIdfVectorizer(&context), .float32)
    },
  ]
}

/// Drops stop words from a list of strings, then changes the case of the rest.
struct StringNormalizer: Operator {
  enum Change: String, Sendable {
    case none = "NONE"
    case lower = "LOWER"
    case upper = "UPPER"
  }

  let change: Change
  let isCaseSensitive: Bool
  let stopwords: Set<String>

  init(change: Change, isCaseSensitive: Bool, stopwords: [String]) {
    self.change = change
    self.isCaseSensitive = isCaseSensitive
    self.stopwords = Set(
      isCaseSensitive ? stopwords : stopwords.map { StringNormalizer.mapped($0, .lower) })
  }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank == 1 || (input.shape.rank == 2 && input.shape[0] == 1) else {
      throw OperatorError("the input has shape \(input.shape); [C] or [1, C] was expected")
    }
    var kept = ByteStrings()
    for string in input.strings.strings {
      let key = isCaseSensitive ? string : StringNormalizer.mapped(string, .lower)
      if !stopwords.isEmpty, stopwords.contains(key) { continue }
      kept.append(StringNormalizer.mapped(string, change))
    }
    // Nothing left is one empty string.
    if kept.count == 0 { kept.append("") }
    let shape = try checkedShape(input.shape.rank == 1 ? [kept.count] : [1, kept.count])
    scratch.give(0, Tensor(strings: kept, shape: shape))
  }

  /// Character by character, as C's `towlower` does: one that would become two stays.
  private static func mapped(_ string: String, _ change: Change) -> String {
    if change == .none { return string }
    var result = String.UnicodeScalarView()
    for scalar in string.unicodeScalars {
      let text =
        change == .lower
        ? scalar.properties.lowercaseMapping : scalar.properties.uppercaseMapping
      if text.unicodeScalars.count == 1, let single = text.unicodeScalars.first {
        result.append(single)
      } else {
        result.append(scalar)
      }
    }
    return String(result)
  }
}

struct StringConcat: Operator {
  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let left = try scratch.input(0)
    let right = try scratch.input(1)
    let plan = try Broadcast(left.shape, right.shape)
    let a = left.strings
    let b = right.strings
    guard plan.shape.elementCount <= scratch.maxBytes / 16 else {
      throw OperatorError("output 0 of shape \(plan.shape) is too large")
    }
    var result = ByteStrings()
    var byteCount = 0
    plan.forEachRun { _, i, iStep, j, jStep, count in
      for index in 0..<count {
        let first = a[i + index * iStep]
        let second = b[j + index * jStep]
        byteCount += first.count + second.count
        // What is over the limit is told below.
        result.append(byteCount > scratch.maxBytes ? [] : Array(first) + Array(second))
      }
    }
    guard byteCount <= scratch.maxBytes else {
      throw OperatorError("output 0 takes \(byteCount) bytes of text")
    }
    scratch.give(0, Tensor(strings: result, shape: plan.shape))
  }
}

/// Python's `str.split`; short rows are filled with empty strings.
struct StringSplit: Operator {
  /// Empty: runs of white space.
  let delimiter: [UInt8]
  let maxSplits: Int?

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    let strings = input.strings
    // Split twice: the parts of all strings at once would take more than the answer.
    var counts = try scratch.memory(1, input.shape)
    var width = 0
    var byteCount = 0
    do {
      var target = counts.mutableValues(as: Int64.self)
      for index in 0..<strings.count {
        let count = split(strings[index]).count
        target[index] = Int64(count)
        width = max(width, count)
        byteCount += strings[index].count
      }
    }
    let shape = try checkedShape(input.shape.array + [width])
    // A shape leaves room for 16 bytes an element.
    let places = min(shape.elementCount * 16, Int.max / 2)
    try scratch.checkRoom(places + byteCount, for: "output 0 of shape \(shape)")
    var result = ByteStrings()
    result.reserve(elements: shape.elementCount, bytes: byteCount)
    for index in 0..<strings.count {
      let parts = split(strings[index])
      for part in parts { result.append(part) }
      for _ in parts.count..<width { result.append("") }
    }
    scratch.give(0, Tensor(strings: result, shape: shape))
    scratch.give(1, counts)
  }

  private func split(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    delimiter.isEmpty ? words(text) : parts(text)
  }

  private func words(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
    var result: [ArraySlice<UInt8>] = []
    var rest = text.drop(while: isSpace)
    while !rest.isEmpty {
      if let maxSplits, result.count >= maxSplits {
        while let last = rest.last, isSpace(last) { rest.removeLast() }
        result.append(rest)
        return result
      }
      let word = rest.prefix { !isSpace($0) }
      result.append(word)
      rest = rest[word.endIndex...].drop(while: isSpace)
    }
    return result
  }

  private func parts(_ text: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
    // Nothing to split has no parts.
    if text.isEmpty { return [] }
    var result: [ArraySlice<UInt8>] = []
    var start = text.startIndex
    var place = start
    while place + delimiter.count <= text.endIndex {
      if let maxSplits, result.count >= maxSplits { break }
      if text[place..<(place + delimiter.count)].elementsEqual(delimiter) {
        result.append(text[start..<place])
        place += delimiter.count
        start = place
      } else {
        place += 1
      }
    }
    result.append(text[start...])
    return result
  }
}

/// Counts runs of 1 to n items, with up to so many left out between two of them, against a pool.
struct TfIdfVectorizer: Operator {
  private let pool: [[Key]: Int]
  private let columns: [Int]
  private let weights: [Float]
  private let width: Int
  private let minLength: Int
  private let maxLength: Int
  private let maxSkip: Int
  private let mode: Mode

  enum Mode: String, Sendable {
    case count = "TF"
    case presence = "IDF"
    case both = "TFIDF"
  }

  enum Key: Hashable, Sendable {
    case text([UInt8])
    case number(Int64)
  }

  init(_ context: inout NodeContext) throws(ModelFormatError) {
    let name = try context.string("mode") ?? ""
    guard let mode = Mode(rawValue: name) else { throw context.malformed("mode is '\(name)'") }
    self.mode = mode
    minLength = try context.integer("min_gram_length") ?? 1
    maxLength = try context.integer("max_gram_length") ?? 1
    maxSkip = try context.integer("max_skip_count") ?? 0
    columns = try context.integers("ngram_indexes") ?? []
    let counts = try context.integers("ngram_counts") ?? []
    let strings = try context.strings("pool_strings") ?? []
    let numbers = try context.integers("pool_int64s") ?? []
    let isText = try context.type(0) == .string
    let keys =
      isText ? strings.map { Key.text(Array($0.utf8)) } : numbers.map { .number(Int64($0)) }
    guard minLength > 0, minLength <= maxLength, maxLength <= counts.count, maxSkip >= 0,
      maxLength < 1 << 16, maxSkip < 1 << 16, !keys.isEmpty
    else {
      throw context.malformed(
        "grams of \(minLength) to \(maxLength), \(maxSkip) left out, \(keys.count) pool items")
    }
    var pool: [[Key]: Int] = [:]
    var gram = 0
    for (index, start) in counts.enumerated() {
      let end = index + 1 < counts.count ? counts[index + 1] : keys.count
      guard start >= 0, start <= end, end <= keys.count, (end - start) % (index + 1) == 0 else {
        throw context.malformed("ngram_counts \(counts) for a pool of \(keys.count)")
      }
      for place in stride(from: start, to: end, by: index + 1) {
        if index + 1 >= minLength, index + 1 <= maxLength {
          pool[Array(keys[place..<(place + index + 1)])] = gram
        }
        gram += 1
      }
    }
    self.pool = pool
    weights = try context.floats("weights") ?? []
    guard columns.count == gram, weights.isEmpty || weights.count == gram,
      columns.allSatisfy({ $0 >= 0 && $0 < 1 << 31 })
    else { throw context.malformed("\(columns.count) columns for \(gram) grams") }
    width = (columns.max() ?? -1) + 1
  }

  func run(_ scratch: ONNXScratch) throws(OperatorError) {
    let input = try scratch.input(0)
    guard input.shape.rank == 1 || input.shape.rank == 2 else {
      throw OperatorError("the input has shape \(input.shape)")
    }
    let items: [Key]
    if input.elementType == .string {
      let strings = input.strings
      items = (0..<strings.count).map { .text(Array(strings[$0])) }
    } else {
      items = try integers(of: input, input: 0).map { .number(Int64($0)) }
    }
    let rows = input.shape.rank == 1 ? 1 : input.shape[0]
    let length = input.shape[input.shape.rank - 1]
    let shape = try checkedShape(input.shape.rank == 1 ? [width] : [rows, width])
    var output = try scratch.memory(0, shape)
    do {
      var target = output.mutableValues(as: Float.self)
      for index in target.indices { target[index] = 0 }
      for row in 0..<rows {
        try scratch.stopAtDeadline()
        let items = items[(row * length)..<((row + 1) * length)]
        for (gram, count) in try grams(items, scratch) {
          let weight = weights.isEmpty ? 1 : weights[gram]
          target[row * width + columns[gram]] =
            switch mode {
            case .count: Float(count)
            case .presence: weight
            case .both: Float(count) * weight
            }
        }
      }
    }
    scratch.give(0, output)
  }

  private func grams(
    _ items: ArraySlice<Key>, _ scratch: ONNXScratch
  ) throws(OperatorError) -> [Int: Int] {
    var counts: [Int: Int] = [:]
    for skip in 0...maxSkip {
      let step = skip + 1
      try scratch.stopAtDeadline()
      for size in minLength...maxLength {
        // A single item has nothing between: it is counted once.
        if size == 1, skip > 0 { continue }
        let reach = (size - 1) * step
        if reach >= items.count { break }
        for first in items.startIndex..<(items.endIndex - reach) {
          let key = (0..<size).map { items[first + $0 * step] }
          if let gram = pool[key] { counts[gram, default: 0] += 1 }
        }
      }
    }
    return counts
  }
}
