/// Reads a LightGBM text model, versions 2 to 4, line by line.
///
/// Source: LightGBM/src/boosting/gbdt_model_text.cpp, src/io/tree.cpp.
struct LightGBMReader: ~Escapable {
  private let bytes: RawSpan
  private var position = 0
  private var passed: PassedPages
  private var lineNumber = 0

  private var header: [String: String] = [:]
  private var averagesOutput = false
  private var nodes: [TreeNode] = []
  private var trees: [TreeEnsemble.Tree] = []
  private var categorySets = CategorySets()
  private var linearLeaves = LinearLeaves()
  /// Where `pandas_categorical:` tells the names of categories.
  private var pandasCategories: Range<Int>?

  static func read(
    _ bytes: RawSpan, file: ModelFile?
  ) throws(ModelFormatError) -> TreeModel {
    var reader = LightGBMReader(bytes, file)
    return try reader.read()
  }

  @_lifetime(copy bytes)
  private init(_ bytes: RawSpan, _ file: ModelFile?) {
    self.bytes = bytes
    passed = PassedPages(file)
    // A node takes 40 bytes of text and more; see `XGBoostReader.read`.
    if bytes.byteCount > 1 << 20 { nodes.reserveCapacity(bytes.byteCount / 40) }
  }

  private mutating func read() throws(ModelFormatError) -> TreeModel {
    guard let first = nextLine(), reads(first, "tree") else {
      throw malformed("the first line is not 'tree'")
    }
    try readHeader()
    // Decisions of other versions may be coded otherwise: a wrong answer is worse than none.
    guard let version = header["version"], ["v2", "v3", "v4"].contains(version) else {
      throw .unsupported(
        format: "LightGBM", what: "a text of version '\(header["version"] ?? "")'",
        advice: "versions that are read: v2, v3, v4; save the model again with LightGBM 2.1 to 4")
    }
    let featureCount = try integer("max_feature_idx").addingReportingOverflow(1).partialValue
    let groupCount = try integer("num_tree_per_iteration", otherwise: "num_class")
    guard groupCount >= 1 else { throw malformed("\(groupCount) trees in a round") }
    try readTrees(groupCount: groupCount)
    try readTail()
    guard trees.count % groupCount == 0 else {
      throw malformed("\(trees.count) trees are no whole rounds of \(groupCount)")
    }
    if let sizes = header["tree_sizes"]?.split(separator: " ").count, sizes != trees.count {
      throw malformed("\(trees.count) trees; tree_sizes tells of \(sizes)")
    }
    let objective = header["objective"] ?? ""
    let ensemble = try TreeEnsemble(
      format: "LightGBM", featureCount: featureCount, groupCount: groupCount, nodes: nodes,
      trees: trees, categorySets: categorySets, linearLeaves: linearLeaves)
    let rounds = trees.count / groupCount
    return TreeModel(
      kind: "LightGBM" + (objective.isEmpty ? "" : " " + objective), ensemble: ensemble,
      arithmetic: .float64(
        link: try LightGBMObjective.link(objective, groupCount: groupCount),
        averagedRounds: averagesOutput ? max(rounds, 1) : 1),
      columns: try columns(featureCount: featureCount),
      categories: try categories(featureCount: featureCount))
  }

  /// The lines before the first tree; the reader then stands behind `Tree=0`.
  private mutating func readHeader() throws(ModelFormatError) {
    while let line = nextLine() {
      if isTreeLine(line) || reads(line, "end of trees") {
        position = line.lowerBound
        lineNumber -= 1
        return
      }
      if let (key, value) = split(line) {
        header[key] = bytes.text(value)
      } else if reads(line, "average_output") {
        averagesOutput = true
      }
    }
    throw malformed("the file ends before its trees")
  }

  private mutating func readTrees(groupCount: Int) throws(ModelFormatError) {
    while let line = nextLine() {
      if line.isEmpty { continue }
      if isTreeLine(line) {
        passed.pass(position)
        var block = LightGBMTreeBlock(index: trees.count)
        try readBlock(&block)
        let start = nodes.count
        try block.append(to: &nodes, sets: &categorySets, linear: &linearLeaves)
        trees.append(.init(nodes: start..<nodes.count, group: trees.count % groupCount))
      } else if reads(line, "end of trees") {
        return
      } else {
        throw malformed("'Tree=' or 'end of trees' expected")
      }
    }
    throw malformed("the file ends before 'end of trees'")
  }

  private mutating func readBlock(_ block: inout LightGBMTreeBlock) throws(ModelFormatError) {
    while let line = nextLine() {
      if line.isEmpty { return }
      if isTreeLine(line) || reads(line, "end of trees") {
        position = line.lowerBound
        lineNumber -= 1
        return
      }
      guard let (key, value) = split(line) else { throw malformed("'key=value' expected") }
      switch key {
      case "num_leaves": block.leafCount = try wholeNumber(value)
      case "num_cat": block.categoryCount = try wholeNumber(value)
      case "is_linear": block.isLinear = try wholeNumber(value) != 0
      case "split_feature": block.splitFeatures = try integers(value, Int32.self)
      case "decision_type": block.decisionTypes = try integers(value, Int32.self)
      case "left_child": block.leftChildren = try integers(value, Int32.self)
      case "right_child": block.rightChildren = try integers(value, Int32.self)
      case "threshold": block.thresholds = try numbers(value)
      case "leaf_value": block.leafValues = try numbers(value)
      case "cat_boundaries": block.categoryBoundaries = try integers(value, Int32.self)
      case "cat_threshold": block.categoryWords = try integers(value, UInt32.self)
      case "leaf_const": block.leafConstants = try numbers(value)
      case "num_features": block.leafFeatureCounts = try integers(value, Int32.self)
      case "leaf_features": block.leafFeatures = try integers(value, Int32.self)
      case "leaf_coeff": block.leafCoefficients = try numbers(value)
      default: break
      }
    }
  }

  /// What follows the trees says nothing about predictions but the names of categories; else
  /// only that it is all there counts.
  private mutating func readTail() throws(ModelFormatError) {
    var isOpen = false
    let marker: StaticString = "pandas_categorical:"
    while let line = nextLine() {
      if reads(line, "parameters:") { isOpen = true }
      if reads(line, "end of parameters") { isOpen = false }
      if bytes.hasBytes(marker, at: line.lowerBound), line.count > marker.utf8CodeUnitCount {
        pandasCategories = line.lowerBound + marker.utf8CodeUnitCount..<line.upperBound
      }
    }
    if isOpen { throw malformed("the file ends before 'end of parameters'") }
  }

  private func categories(
    featureCount: Int
  ) throws(ModelFormatError) -> [Int: ColumnCategories] {
    guard let pandasCategories else { return [:] }
    let lists = try LightGBMCategories.read(bytes.extracting(pandasCategories))
    let features = (header["feature_infos"] ?? "").split(separator: " ").map {
      LightGBMCategories.Feature(info: $0)
    }
    guard features.count == featureCount else { return [:] }
    var categories: [Int: ColumnCategories] = [:]
    let assignment = LightGBMCategories.assign(lists.map(\.count), to: features)
    for (list, feature) in assignment.pairs {
      categories[feature] = ColumnCategories(lists[list], unknownIsMissing: true)
    }
    for (list, choices) in assignment.open {
      for feature in choices where categories[feature]?.hasNumbers != true {
        categories[feature] = ColumnCategories(
          problem: "the file does not say which of its lists of categories this column has",
          candidates: lists[list])
      }
    }
    return categories
  }

  private func columns(featureCount: Int) throws(ModelFormatError) -> [String]? {
    guard let line = header["feature_names"] else { return nil }
    let names = line.split(separator: " ").map(String.init)
    guard names.count == featureCount else {
      throw malformed("\(names.count) feature_names for \(featureCount) features")
    }
    // LightGBM makes up names where the data had none.
    let areMadeUp = names.indices.allSatisfy { names[$0] == "Column_\($0)" }
    return areMadeUp ? nil : names
  }

  private func integer(
    _ key: String, otherwise other: String? = nil
  ) throws(ModelFormatError) -> Int {
    guard let text = header[key] ?? other.flatMap({ header[$0] }) else {
      throw malformed("there is no '\(key)'")
    }
    guard let value = Int(text), value >= 0, value < Int(Int32.max) else {
      throw malformed("'\(key)' is '\(text)', no whole number from 0 on")
    }
    return value
  }

  private func wholeNumber(_ range: Range<Int>) throws(ModelFormatError) -> Int {
    let values = try integers(range, Int32.self)
    guard values.count == 1 else { throw malformed("one number expected") }
    return Int(values[0])
  }

  private func integers<Integer: FixedWidthInteger>(
    _ range: Range<Int>, _: Integer.Type
  ) throws(ModelFormatError) -> [Integer] {
    var integers: [Integer] = []
    integers.reserveCapacity(wordCount(range))
    try forEachNumber(range) { value in
      guard let integer = Integer(exactly: value) else { return false }
      integers.append(integer)
      return true
    }
    return integers
  }

  private func numbers(_ range: Range<Int>) throws(ModelFormatError) -> [Double] {
    var values: [Double] = []
    values.reserveCapacity(wordCount(range))
    try forEachNumber(range) { value in
      values.append(value)
      return true
    }
    return values
  }

  /// - Parameter take: False: the number is none of those that may stand here.
  private func forEachNumber(
    _ range: Range<Int>, _ take: (Double) -> Bool
  ) throws(ModelFormatError) {
    // The scanner sees this line only.
    let line = bytes.extracting(0..<range.upperBound)
    var index = range.lowerBound
    while index < range.upperBound {
      if line.byte(at: index) == UInt8(ascii: " ") {
        index += 1
        continue
      }
      guard let value = DecimalScanner.scan(line, &index),
        index == range.upperBound || line.byte(at: index) == UInt8(ascii: " ")
      else { throw malformed("a number expected at byte \(index)") }
      guard take(value) else {
        throw malformed("a whole number of 32 bits expected, \(value) found")
      }
    }
  }

  /// Words of a line: what a list of them takes is set aside at once, and no more.
  private func wordCount(_ range: Range<Int>) -> Int {
    var count = 0
    var isInside = false
    for index in range {
      let isSpace = bytes.byte(at: index) == UInt8(ascii: " ")
      if isInside == isSpace {
        isInside = !isSpace
        if isInside { count += 1 }
      }
    }
    return count
  }

  private func split(_ line: Range<Int>) -> (key: String, value: Range<Int>)? {
    for index in line where bytes.byte(at: index) == UInt8(ascii: "=") {
      return (bytes.text(line.lowerBound..<index), index + 1..<line.upperBound)
    }
    return nil
  }

  private func isTreeLine(_ line: Range<Int>) -> Bool {
    line.count >= 5 && bytes.hasBytes("Tree=", at: line.lowerBound)
  }

  private func reads(_ line: Range<Int>, _ words: StaticString) -> Bool {
    line.count == words.utf8CodeUnitCount && bytes.hasBytes(words, at: line.lowerBound)
  }

  /// The next line without its end; nil at the end of the file.
  private mutating func nextLine() -> Range<Int>? {
    guard position < bytes.byteCount else { return nil }
    lineNumber += 1
    let start = position
    while position < bytes.byteCount, bytes.byte(at: position) != UInt8(ascii: "\n") {
      position += 1
    }
    var end = position
    if end > start, bytes.byte(at: end - 1) == UInt8(ascii: "\r") { end -= 1 }
    if position < bytes.byteCount { position += 1 }
    return start..<end
  }

  private func malformed(_ reason: String) -> ModelFormatError {
    .malformed(format: "LightGBM", at: "line \(lineNumber)", reason: reason)
  }
}
