/// The names of categories in a LightGBM file: `pandas_categorical:[["a","b"],[10,20]]`, one list
/// for each column of that type in the training frame, in the columns' order.
enum LightGBMCategories {
  static func read(_ text: RawSpan) throws(ModelFormatError) -> [[ColumnCategories.Name]] {
    if text.hasBytes("null", at: 0) { return [] }
    var reader = JSONDocumentReader(format: "LightGBM pandas_categorical", bytes: text)
    var lists: [[ColumnCategories.Name]] = []
    try reader.beginArray()
    while try reader.nextElement() {
      var names: [ColumnCategories.Name] = []
      try reader.beginArray()
      while try reader.nextElement() {
        // True and false are 1 and 0.
        names.append(
          reader.nextIsString() ? .text(try reader.readText()) : .number(try reader.readNumber()))
      }
      lists.append(names)
    }
    try reader.finish()
    return lists
  }

  /// What `feature_infos` tells of a feature.
  enum Feature: Equatable {
    /// `-1:0:2`: the categories seen.
    case categorical(largest: Int)
    /// `[0:2]`: a number. An ordered categorical column is one too: its codes are compared.
    case numeric(smallest: Double, largest: Double)
    /// `none`: one value only.
    case constant

    init(info: Substring) {
      if info.hasPrefix("["), info.hasSuffix("]") {
        let bounds = info.dropFirst().dropLast().split(separator: ":").compactMap { Double($0) }
        self =
          bounds.count == 2
          ? .numeric(smallest: bounds[0], largest: bounds[1])
          : .numeric(smallest: -.infinity, largest: .infinity)
      } else if info == "none" || info.isEmpty {
        self = .constant
      } else {
        let codes = info.split(separator: ":").map { Int($0) ?? Int.max }
        self = .categorical(largest: codes.max() ?? Int.max)
      }
    }

    /// Whether a column of `count` categories can look so.
    func fits(_ count: Int) -> Bool {
      switch self {
      case .categorical(let largest): largest < count
      case .numeric(let smallest, let largest):
        smallest >= 0 && largest < Double(count) && smallest == smallest.rounded()
          && largest == largest.rounded()
      case .constant: true
      }
    }

    var isCategorical: Bool { if case .categorical = self { true } else { false } }
  }

  /// Which feature each list belongs to. The file does not say: it is where the order of both
  /// and the codes seen leave one choice, every categorical feature having a list. A list with
  /// more than one choice is left out, for a wrong code would be a wrong answer.
  ///
  /// - Parameter counts: The lists' lengths.
  /// - Returns: Pairs of list and feature, and lists with the features that each may belong to.
  static func assign(_ counts: [Int], to features: [Feature]) -> (
    pairs: [(list: Int, feature: Int)], open: [(list: Int, features: [Int])]
  ) {
    let categorical = features.indices.filter { features[$0].isCategorical }
    let width = features.count + 1
    let (cells, overflows) = (counts.count + 1).multipliedReportingOverflow(by: width)
    guard !overflows, cells <= 1 << 20 else {
      guard categorical.count == counts.count else {
        return ([], counts.indices.map { ($0, Array(features.indices)) })
      }
      return (categorical.enumerated().map { ($0, $1) }, [])
    }
    // before[i][j]: the first i lists can belong to the first j features; after[i][j]: the lists
    // from i on to the features from j on.
    var before = [Bool](repeating: false, count: cells)
    var after = before
    for list in 0...counts.count {
      for feature in 0...features.count {
        let isSkippable = feature > 0 && !features[feature - 1].isCategorical
        before[list * width + feature] =
          (list == 0 && feature == 0)
          || (isSkippable && before[list * width + feature - 1])
          || (list > 0 && feature > 0 && features[feature - 1].fits(counts[list - 1])
            && before[(list - 1) * width + feature - 1])
      }
    }
    for list in (0...counts.count).reversed() {
      for feature in (0...features.count).reversed() {
        let isInside = feature < features.count
        after[list * width + feature] =
          (list == counts.count && !isInside)
          || (isInside && !features[feature].isCategorical && after[list * width + feature + 1])
          || (isInside && list < counts.count && features[feature].fits(counts[list])
            && after[(list + 1) * width + feature + 1])
      }
    }
    var pairs: [(list: Int, feature: Int)] = []
    var open: [(list: Int, features: [Int])] = []
    for list in counts.indices {
      let choices = features.indices.filter { feature in
        features[feature].fits(counts[list]) && before[list * width + feature]
          && after[(list + 1) * width + feature + 1]
      }
      if choices.count == 1 {
        pairs.append((list, choices[0]))
      } else {
        // With no choice at all the file contradicts itself, and the list may be anybody's.
        open.append((list, choices.isEmpty ? Array(features.indices) : choices))
      }
    }
    return (pairs, open)
  }
}
