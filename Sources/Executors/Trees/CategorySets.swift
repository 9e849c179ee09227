/// Sets of small whole numbers: bits where those are fewer, else sorted members.
///
/// What a set takes is bounded by what the file spends on it: one absurd category does not make
/// a set of two megabytes.
struct CategorySets: Sendable {
  /// Sets that a `TreeNode` can tell apart.
  static let maxCount = 1 << 27

  private(set) var words: [UInt32] = []
  private(set) var starts: [Int32] = [0]
  /// Whether a set's words are its members and not bits.
  private(set) var areMembers: [Bool] = []

  var count: Int { areMembers.count }

  /// Adds a set given as bits; false when there is no room for it.
  mutating func append(words bits: some Collection<UInt32>) -> Bool {
    append(bits, areMembers: false)
  }

  /// Adds a set of categories, none of them negative; false when there is no room for it.
  mutating func append(categories: some Collection<Int32>) -> Bool {
    let wordCount = categories.isEmpty ? 0 : Int(categories.max() ?? 0) / 32 + 1
    if wordCount > max(categories.count, 4) {
      return append(categories.map { UInt32(bitPattern: $0) }.sorted(), areMembers: true)
    }
    var bits = [UInt32](repeating: 0, count: wordCount)
    for category in categories { bits[Int(category) / 32] |= 1 << UInt32(category % 32) }
    return append(bits, areMembers: false)
  }

  private mutating func append(_ set: some Collection<UInt32>, areMembers: Bool) -> Bool {
    guard count < CategorySets.maxCount, let end = Int32(exactly: words.count + set.count) else {
      return false
    }
    words.append(contentsOf: set)
    starts.append(end)
    self.areMembers.append(areMembers)
    return true
  }

  func contains(set: Int, category: Int) -> Bool {
    let start = Int(starts[set])
    let end = Int(starts[set + 1])
    if areMembers[set] { return contains(category, start, end) }
    let word = start + category / 32
    return word < end && words[word] >> UInt32(category % 32) & 1 == 1
  }

  private func contains(_ category: Int, _ start: Int, _ end: Int) -> Bool {
    var low = start
    var high = end
    while low < high {
      let middle = (low + high) / 2
      if Int(words[middle]) < category { low = middle + 1 } else { high = middle }
    }
    return low < end && Int(words[low]) == category
  }
}
