/// Walks a document of objects, arrays and scalars from front to back, keeping nothing of it.
///
/// JSON and UBJSON hold the same tree of values; a reader of models is written once over this.
/// The caller says what it expects, value by value, and skips what it does not know. Every
/// length that the file claims is held against the bytes that are there.
protocol ModelDocumentReader: ~Escapable {
  /// Enters the object that comes next.
  mutating func beginObject() throws(ModelFormatError)
  /// The next member's key, with the reader standing before its value; nil at the object's end.
  mutating func nextKey() throws(ModelFormatError) -> String?
  /// Enters the array that comes next.
  mutating func beginArray() throws(ModelFormatError)
  /// Whether another element follows, with the reader standing before it.
  mutating func nextElement() throws(ModelFormatError) -> Bool
  /// A number; true and false are 1 and 0.
  mutating func readNumber() throws(ModelFormatError) -> Double
  mutating func readInteger() throws(ModelFormatError) -> Int
  /// Replaces `values` by the array of numbers that comes next.
  mutating func readNumbers(_ values: inout [Float]) throws(ModelFormatError)
  /// Replaces `values` by the array of whole numbers that comes next.
  mutating func readIntegers(_ values: inout [Int32]) throws(ModelFormatError)
  /// A string, or a number or word as it is written: parameters come both ways.
  mutating func readText() throws(ModelFormatError) -> String
  /// Passes over one value, whatever it is.
  mutating func skipValue() throws(ModelFormatError)
  /// Checks that nothing follows the document.
  mutating func finish() throws(ModelFormatError)
  /// The error for what stands here.
  func malformed(_ reason: String) -> ModelFormatError
}

/// How deep a model's document may nest; XGBoost's own go to 8.
let maxDocumentDepth = 64

extension ModelDocumentReader where Self: ~Escapable {
  mutating func readNumbers(_ values: inout [Float]) throws(ModelFormatError) {
    values.removeAll(keepingCapacity: true)
    try beginArray()
    // A decimal is read as double and rounded once to float32, as XGBoost's own answers show.
    while try nextElement() { values.append(Float(try readNumber())) }
  }

  mutating func readIntegers(_ values: inout [Int32]) throws(ModelFormatError) {
    values.removeAll(keepingCapacity: true)
    try beginArray()
    while try nextElement() {
      let value = try readInteger()
      guard let small = Int32(exactly: value) else {
        throw malformed("\(value) does not fit 32 bits")
      }
      values.append(small)
    }
  }

  mutating func readTexts() throws(ModelFormatError) -> [String] {
    var texts: [String] = []
    try beginArray()
    while try nextElement() { texts.append(try readText()) }
    return texts
  }
}
