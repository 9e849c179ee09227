// The names of categories in an XGBoost file, version 3.1 on: `cats` of the trees' model.

extension XGBoostReader {
  /// `{"enc": [one a feature], …}`: texts as bytes with offsets, whole numbers as they are, and
  /// nothing for a feature that has no categories.
  mutating func readCategories<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) {
    categories.removeAll()
    encodedFeatureCount = 0
    try reader.beginObject()
    while let key = try reader.nextKey() {
      guard key == "enc" else {
        try reader.skipValue()
        continue
      }
      try reader.beginArray()
      while try reader.nextElement() {
        categories[encodedFeatureCount] = try readColumn(from: &reader)
        encodedFeatureCount += 1
      }
    }
  }

  /// nil for a column without categories.
  private func readColumn<Reader: ModelDocumentReader & ~Escapable>(
    from reader: inout Reader
  ) throws(ModelFormatError) -> ColumnCategories? {
    var offsets: [Int32]?
    var values: [Int] = []
    try reader.beginObject()
    while let key = try reader.nextKey() {
      switch key {
      case "offsets":
        var read: [Int32] = []
        try reader.readIntegers(&read)
        offsets = read
      case "values":
        try reader.beginArray()
        while try reader.nextElement() { values.append(try reader.readInteger()) }
      default: try reader.skipValue()
      }
    }
    guard let offsets else {
      guard !values.isEmpty else { return nil }
      return ColumnCategories(values.map { .number(Double($0)) }, unknownIsMissing: false)
    }
    // Bytes come with a sign.
    let bytes = values.map { UInt8(truncatingIfNeeded: $0) }
    var names: [ColumnCategories.Name] = []
    for index in offsets.indices.dropFirst() {
      let start = Int(offsets[index - 1])
      let end = Int(offsets[index])
      guard start >= 0, start <= end, end <= bytes.count else {
        throw reader.malformed("category \(index - 1) lies at \(start)..\(end) of \(bytes.count)")
      }
      names.append(.text(String(decoding: bytes[start..<end], as: UTF8.self)))
    }
    guard !names.isEmpty else { return nil }
    // XGBoost 3.2 counts a pandas frame's names in characters, cuts their bytes off behind as many,
    // and such a file looks like another one: which name has which code cannot be told.
    guard bytes.allSatisfy({ $0 < 0x80 }) else {
      return ColumnCategories(
        problem: "the file may have its names cut wrongly, as XGBoost writes those that are not "
          + "ASCII",
        candidates: names)
    }
    return ColumnCategories(names, unknownIsMissing: false)
  }
}
