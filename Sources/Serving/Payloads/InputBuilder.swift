internal import Documents
internal import Executors
internal import Tensors

/// A tensor that grows while a body is read: numbers go straight into its memory.
struct InputBuilder {
  let elementType: ElementType
  /// What errors call the elements: `float32`, `string`.
  var typeName: String { elementType.name }
  /// Elements written so far. A tensor is complete when it has as many as its shape says: no
  /// place is written twice.
  private(set) var count = 0

  /// A body of n bytes may cost 20 n and this much (`RELIABILITY.md` §0.6).
  private static let amplification = 20
  private static let baseBytes = 64 << 10

  /// The columns in which text is a category's name; nil: there are none.
  var categories: CategoryColumns?
  /// Something was passed over: the tensor is only a stand-in, in a reading for faults.
  var isBroken = false
  /// What each column's values must be; nil: whatever fits the type.
  var rules: [ColumnRule]? {
    didSet { takesAnyNumber = rules?.allSatisfy { $0 == .number } ?? true }
  }
  private var takesAnyNumber = true

  /// What the numbers of plain lists are read with.
  var vectors = DecimalVectors.best

  private let maxBytes: Int
  private var buffer: TensorBuffer
  private var capacity: Int
  /// The strings' bytes one behind the other, and where element i lies in them.
  private var stringBytes: [UInt8] = []
  private var stringRanges: [Range<Int>] = []

  /// - Parameters:
  ///   - capacity: Elements that are expected at least.
  ///   - bodyByteCount: The whole body's size, from which the memory's limit follows.
  init(_ elementType: ElementType, capacity: Int, bodyByteCount: Int) {
    let (product, overflows) = bodyByteCount.multipliedReportingOverflow(
      by: InputBuilder.amplification)
    self.init(
      elementType, capacity: capacity,
      maxBytes: overflows ? Int.max / 2 : product + InputBuilder.baseBytes)
  }

  /// For a text that is read in blocks: who cuts them has bounded what one takes.
  ///
  /// - Parameter maxElements: Never more than this.
  init(_ elementType: ElementType, capacity: Int, maxElements: Int) {
    let (product, overflows) = max(maxElements, 8).multipliedReportingOverflow(
      by: max(elementType.byteSize, MemoryLayout<Range<Int>>.size))
    self.init(
      elementType, capacity: capacity, maxBytes: overflows ? Int.max / 2 : product)
  }

  private init(_ elementType: ElementType, capacity: Int, maxBytes: Int) {
    self.elementType = elementType
    self.maxBytes = maxBytes
    self.capacity = min(max(capacity, 8), maxBytes / 16)
    buffer = TensorBuffer(byteCount: self.capacity * elementType.byteSize)
  }

  /// Makes room so that elements up to `count` can be written; false where that would take more
  /// than the limit.
  private mutating func reserve(_ count: Int) -> Bool {
    guard count > capacity else { return true }
    let size = max(elementType.byteSize, MemoryLayout<Range<Int>>.size)
    guard count <= maxBytes / size else { return false }
    let wanted = min(max(count, capacity * 2), maxBytes / size)
    let larger = TensorBuffer(byteCount: wanted * elementType.byteSize)
    if elementType.byteSize > 0 {
      unsafe larger.bytes.copyMemory(from: UnsafeRawBufferPointer(buffer.bytes))
    }
    buffer = larger
    capacity = wanted
    return true
  }

  /// Takes rows of plain numbers, `[5.1, 3.5]`, as long as one follows the other: a loop without
  /// the steps for what is rare. Any other row is left to the general reader, which tells what
  /// is wrong with it.
  ///
  /// - Parameters:
  ///   - scanner: At the first row; afterwards behind the last one taken.
  ///   - index: Where the first row's first value goes; none from there on is written yet.
  /// - Returns: How many rows were taken; 0 too where the elements are no floats, or not any will do.
  @_lifetime(scanner: copy scanner)
  mutating func takeRows(
    _ scanner: inout PayloadScanner, width: Int, at index: Int
  ) -> Int {
    guard width > 0, width <= scanner.text.count, takesAnyNumber else { return 0 }
    let rows: Int
    switch elementType {
    case .float32: rows = takeRows(&scanner, Float.self, width: width, at: index)
    case .float64: rows = takeRows(&scanner, Double.self, width: width, at: index)
    default: return 0
    }
    count += rows * width
    return rows
  }

  @_lifetime(scanner: copy scanner)
  @inline(__always)
  private mutating func takeRows<Element: DecimalElement>(
    _ scanner: inout PayloadScanner, _: Element.Type, width: Int, at index: Int
  ) -> Int {
    var index = index
    var rows = 0
    var row = scanner
    while row.peek() == UInt8(ascii: "[") {
      guard index + width <= capacity || reserve(index + width) else { return rows }
      row.position += 1
      let end = index + width
      // A number that is none of the common form costs a try.
      var triesLeft = vectors == .none ? 0 : 4
      while index < end {
        _ = row.peek()
        if triesLeft > 0 {
          index += readNumbers(&row, Element.self, upTo: end, at: index)
          if index == end { break }
          triesLeft -= 1
          _ = row.peek()
        }
        guard let number = NumberScanner.scan(row.text, at: &row.position) else { return rows }
        unsafe store(Element(number.double), at: index)
        index += 1
        guard row.peek() == (index < end ? UInt8(ascii: ",") : UInt8(ascii: "]")) else {
          return rows
        }
        row.position += 1
      }
      rows += 1
      scanner.position = row.position
      guard row.peek() == UInt8(ascii: ",") else { return rows }
      row.position += 1
    }
    return rows
  }

  /// Reads the numbers of a list up to the first that is none of the common form.
  ///
  /// - Parameters:
  ///   - scanner: At a number; afterwards at the one that was not read, or behind the list's bracket.
  ///   - end: Where the list's last number goes. There is room up to there.
  /// - Returns: How many were read.
  @_lifetime(scanner: copy scanner)
  @inline(__always)
  private mutating func readNumbers<Element: DecimalElement>(
    _ scanner: inout PayloadScanner, _: Element.Type, upTo end: Int, at index: Int
  ) -> Int {
    precondition(index >= 0 && index <= end && end <= capacity && scanner.position >= 0)
    let values = unsafe buffer.bytes.baseAddress.map {
      $0.assumingMemoryBound(to: Element.self) + index
    }
    guard let values = unsafe values else { return 0 }
    var position = scanner.position
    let count = unsafe scanner.text.withUnsafeBufferPointer { text in
      guard let start = text.baseAddress, position < text.count else { return 0 }
      return unsafe Element.readNumbers(
        start, text.count, &position, from: 0, to: end - index, into: values, vectors)
    }
    scanner.position = position
    return count
  }

  /// Takes plain numbers of a list of any length as long as one follows the other: all but its last,
  /// if there is room.
  ///
  /// - Parameters:
  ///   - scanner: At the list's first value; afterwards at the first that was not taken.
  ///   - index: Where that goes; none from there on is written yet.
  /// - Returns: How many were taken; 0 too where the elements are no floats, or not any will do.
  @_lifetime(scanner: copy scanner)
  mutating func takeNumbers(_ scanner: inout PayloadScanner, at index: Int) -> Int {
    guard takesAnyNumber, vectors != .none, scanner.peek() != nil, index >= 0 else { return 0 }
    let taken: Int
    switch elementType {
    case .float32: taken = takeNumbers(&scanner, Float.self, at: index)
    case .float64: taken = takeNumbers(&scanner, Double.self, at: index)
    default: return 0
    }
    count += taken
    return taken
  }

  @_lifetime(scanner: copy scanner)
  private mutating func takeNumbers<Element: DecimalElement>(
    _ scanner: inout PayloadScanner, _: Element.Type, at index: Int
  ) -> Int {
    var taken = 0
    while capacity - index - taken >= 2 || reserve(index + taken + 2) {
      // The place behind these is the last that is read to: what a bracket follows goes there.
      let room = capacity - index - taken - 1
      let read = readNumbers(&scanner, Element.self, upTo: capacity, at: index + taken)
      taken += min(read, room)
      if read > room {
        // The whole list. Its last number, which has no comma, is the caller's.
        scanner.position -= 1
        while scanner.position > 0, scanner.text[scanner.position - 1] != UInt8(ascii: ",") {
          scanner.position -= 1
        }
      }
      guard read == room, hasComma(scanner) else { return taken }
    }
    return taken
  }

  /// Whether what stands here soon ends in a comma: a list goes on, and more room is of use.
  private func hasComma(_ scanner: PayloadScanner) -> Bool {
    let end = min(scanner.text.count, scanner.position + 40)
    for index in scanner.position..<max(end, scanner.position) {
      if scanner.text[index] == UInt8(ascii: ",") { return true }
      if scanner.text[index] == UInt8(ascii: "]") { return false }
    }
    return false
  }

  private var tooLarge: String {
    "less: its values would take more than \(maxBytes) bytes, "
      + "\(InputBuilder.amplification) times the body"
  }

  /// - Returns: What was expected instead, when the number does not fit the type.
  @inline(__always)
  mutating func set(_ number: ScannedNumber, at index: Int) -> String? {
    guard prepare(index) else { return tooLarge }
    if rules != nil, let expected = refusal(of: number, at: index) { return expected }
    switch elementType {
    case .float32:
      unsafe store(Float(number.double), at: index)
    case .float64:
      unsafe store(number.double, at: index)
    default:
      return setOther(number, at: index)
    }
    return nil
  }

  /// What the column's type in the signature expects instead of this number; nil when it fits.
  private func refusal(of number: ScannedNumber, at index: Int) -> String? {
    guard let rules else { return nil }
    switch rules[index % rules.count] {
    case .number: return nil
    case .boolean: return number.double == 0 || number.double == 1 ? nil : "true or false"
    case .integer(let bits):
      let limit = bits == 32 ? 0x1p31 : 0x1p63
      let fits =
        number.double == number.double.rounded(.towardZero) && number.double >= -limit
        && number.double < limit
      return fits ? nil : "an integer of \(bits) bits, the column's type in the signature"
    }
  }

  private mutating func setOther(_ number: ScannedNumber, at index: Int) -> String? {
    switch elementType {
    case .float16: unsafe store(Float16(number.double), at: index)
    case .uint8: return setInteger(number, UInt8.self, at: index)
    case .uint16: return setInteger(number, UInt16.self, at: index)
    case .uint32: return setInteger(number, UInt32.self, at: index)
    case .uint64: return setInteger(number, UInt64.self, at: index)
    case .int8: return setInteger(number, Int8.self, at: index)
    case .int16: return setInteger(number, Int16.self, at: index)
    case .int32: return setInteger(number, Int32.self, at: index)
    case .int64: return setInteger(number, Int64.self, at: index)
    case .bool:
      guard number.double == 0 || number.double == 1 else { return "true or false" }
      unsafe store(number.double == 1 ? UInt8(1) : 0, at: index)
    case .string: return "a string"
    case .int4: return setInteger(number, Int8.self, within: -8...7, at: index)
    case .uint4: return setInteger(number, UInt8.self, within: 0...15, at: index)
    case .int2: return setInteger(number, Int8.self, within: -2...1, at: index)
    case .uint2: return setInteger(number, UInt8.self, within: 0...3, at: index)
    case .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      return "binary data: \(typeName) does not travel as JSON"
    case .float32, .float64: break
    }
    return nil
  }

  private mutating func setInteger<Integer: FixedWidthInteger & TensorElement>(
    _ number: ScannedNumber, _: Integer.Type, within range: ClosedRange<Integer>? = nil,
    at index: Int
  ) -> String? {
    let range = range ?? Integer.min...Integer.max
    let value: Integer?
    if number.isInteger {
      value =
        number.isNegative
        ? (number.magnitude <= UInt64(Int64.max) + 1
          ? Integer(exactly: 0 &- Int64(truncatingIfNeeded: number.magnitude)) : nil)
        : Integer(exactly: number.magnitude)
    } else {
      // 3.0 is what many clients send for 3.
      value = Integer(exactly: number.double)
    }
    guard let value, range.contains(value) else {
      return "an integer from \(range.lowerBound) to \(range.upperBound) (\(typeName))"
    }
    unsafe store(value, at: index)
    return nil
  }

  /// - Returns: What was expected instead of null.
  mutating func setNull(at index: Int) -> String? {
    guard prepare(index) else { return tooLarge }
    if let rules, rules[index % rules.count] != .number {
      return "a value: the column's type in the signature has no missing values"
    }
    switch elementType {
    case .float32: unsafe store(Float.nan, at: index)
    case .float64: unsafe store(Double.nan, at: index)
    case .float16: unsafe store(Float16.nan, at: index)
    default: return "a value: a column of \(typeName) has no missing values"
    }
    return nil
  }

  /// A column that the body may leave out: missing, whatever the column's values must be.
  ///
  /// - Returns: What was expected instead; nil where it could be written.
  mutating func setMissing(at index: Int) -> NoMissing? {
    guard [.float16, .float32, .float64].contains(elementType) else { return .type }
    guard prepare(index) else { return .noRoom(maxBytes: maxBytes) }
    switch elementType {
    case .float32: unsafe store(Float.nan, at: index)
    case .float64: unsafe store(Double.nan, at: index)
    default: unsafe store(Float16.nan, at: index)
    }
    return nil
  }

  /// Why there cannot be a missing value.
  enum NoMissing {
    /// The type has none.
    case type
    /// With it, the values would take more than they may.
    case noRoom(maxBytes: Int)
  }

  /// The number at a place that was written, of floats of 8 bytes; nil for another type.
  func double(at index: Int) -> Double? {
    guard elementType == .float64, index >= 0, index < capacity else { return nil }
    return unsafe buffer.bytes.loadUnaligned(fromByteOffset: index * 8, as: Double.self)
  }

  /// Writes another number where one was written.
  mutating func replace(at index: Int, with number: Double) {
    precondition(elementType == .float64 && index >= 0 && index < capacity, "place \(index)")
    unsafe store(number, at: index)
  }

  mutating func setBool(_ value: Bool, at index: Int) -> String? {
    if elementType == .string { return "a string" }
    if let cell = categories?.cell(value, at: index) { return set(cell, at: index) }
    return set(
      ScannedNumber(
        double: value ? 1 : 0, magnitude: value ? 1 : 0, isNegative: false, isInteger: true),
      at: index)
  }

  /// NaN, Infinity and -Infinity, which some clients send bare.
  mutating func setSpecial(_ value: Double, at index: Int) -> String? {
    guard [.float16, .float32, .float64].contains(elementType) else { return typeName }
    return set(
      ScannedNumber(double: value, magnitude: 0, isNegative: value < 0, isInteger: false),
      at: index)
  }

  mutating func setString(_ bytes: [UInt8], at index: Int) -> String? {
    guard elementType == .string else { return setCategory(bytes, at: index) }
    guard prepare(index) else { return tooLarge }
    while stringRanges.count <= index { stringRanges.append(0..<0) }
    stringRanges[index] = stringBytes.count..<(stringBytes.count + bytes.count)
    stringBytes.append(contentsOf: bytes)
    return nil
  }

  /// Lets go of the elements behind the first `count`.
  mutating func rewind(to count: Int) {
    isBroken = false
    guard count < self.count else { return }
    self.count = count
    if stringRanges.count > count { stringRanges.removeLast(stringRanges.count - count) }
    // A row's strings lie in the order in which they came, so those of the last need not be last.
    if count == 0 { stringBytes.removeAll(keepingCapacity: true) }
  }

  /// The tensor; nil unless everything is written: as many elements as `shape` says.
  func tensor(_ shape: Shape) -> Tensor? {
    if isBroken {
      // Nobody scores it: only its shape is looked at, and that only where it costs little.
      return shape.elementCount <= max(capacity, 1024) ? Tensor(elementType, shape: shape) : nil
    }
    guard count == shape.elementCount else { return nil }
    if elementType == .string {
      var text = ByteStrings()
      text.reserve(elements: count, bytes: stringBytes.count)
      for range in stringRanges { text.append(stringBytes[range]) }
      return Tensor(strings: text, shape: shape)
    }
    return Tensor(elementType, shape: shape, buffer: buffer)
  }

  @inline(__always)
  private mutating func prepare(_ index: Int) -> Bool {
    if index >= capacity, !reserve(index + 1) { return false }
    count += 1
    return true
  }

  @inline(__always) @unsafe
  private func store<Element: BitwiseCopyable>(_ value: Element, at index: Int) {
    // `prepare` has made room for `index`.
    unsafe buffer.bytes.storeBytes(
      of: value, toByteOffset: index &* MemoryLayout<Element>.size, as: Element.self)
  }
}
