/// NumPy's `.npy` format, versions 1 to 3; written in C order and little endian, read in any.
///
/// Source: numpy/lib/format.py. Text columns (`U`, `S`) and Python objects are refused.
package enum NPYFormat {
  package enum Failure: Error, Equatable, CustomStringConvertible {
    case malformed(String)
    package var description: String {
      switch self {
      case .malformed(let reason): "not a usable .npy file: \(reason)"
      }
    }
  }

  private static let magic: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]
  private static let types: [(descriptor: String, type: ElementType)] = [
    ("|b1", .bool), ("|u1", .uint8), ("<u2", .uint16), ("<u4", .uint32), ("<u8", .uint64),
    ("|i1", .int8), ("<i2", .int16), ("<i4", .int32), ("<i8", .int64),
    ("<f2", .float16), ("<f4", .float32), ("<f8", .float64),
  ]

  /// What stands before the numbers.
  package struct Header: Sendable, Equatable {
    package var elementType: ElementType
    package var shape: Shape
    /// Where the numbers begin.
    package var dataStart: Int
    /// The first byte of a number is its highest.
    package var isBigEndian = false
    /// The first dimension's numbers lie side by side, not the last's.
    package var isFortran = false
  }

  /// Bytes that say how long the header is.
  package static let prefixBytes = 12

  /// Where the numbers begin, from the file's first `prefixBytes`.
  package static func dataStart(_ file: [UInt8]) throws(Failure) -> Int {
    guard file.count >= 12, Array(file[0..<6]) == magic else {
      throw .malformed("it does not begin with \\x93NUMPY")
    }
    let isLong = file[6] >= 2
    guard (1...3).contains(file[6]) else {
      throw .malformed("version \(file[6]) is unknown")
    }
    var headerLength = Int(file[8]) | Int(file[9]) << 8
    if isLong { headerLength |= Int(file[10]) << 16 | Int(file[11]) << 24 }
    return (isLong ? 12 : 10) + headerLength
  }

  /// The header; `file` is the file's beginning, up to where the numbers begin or further.
  package static func header(_ file: [UInt8]) throws(Failure) -> Header {
    let dataStart = try dataStart(file)
    guard dataStart <= file.count else { throw .malformed("the header is cut off") }
    let header = String(decoding: file[(file[6] >= 2 ? 12 : 10)..<dataStart], as: UTF8.self)

    guard let descriptor = quotedValue(of: "'descr'", in: header) else {
      throw .malformed("the header has no 'descr'")
    }
    guard let type = elementType(descriptor) else {
      let known = types.map(\.descriptor).joined(separator: ", ")
      throw .malformed("its type is '\(descriptor)'; known are \(known), also with '>'")
    }
    let isFortran = header.contains("'fortran_order': True")
    guard isFortran || header.contains("'fortran_order': False") else {
      throw .malformed("the header does not say its 'fortran_order'")
    }
    do {
      let shape = try Shape(checking: try dimensions(in: header))
      return Header(
        elementType: type, shape: shape, dataStart: dataStart,
        isBigEndian: descriptor.hasPrefix(">") && type.byteSize > 1,
        isFortran: isFortran && shape.rank > 1)
    } catch let error as TensorError {
      throw .malformed("\(error)")
    } catch let failure as Failure {
      throw failure
    } catch {
      throw .malformed("\(error)")
    }
  }

  /// The array in `file`, the whole content of a `.npy` file.
  package static func read(_ file: [UInt8]) throws(Failure) -> Tensor {
    let header = try header(file)
    let (type, shape, dataStart) = (header.elementType, header.shape, header.dataStart)
    let byteCount = shape.elementCount * type.byteSize
    guard file.count - dataStart == byteCount else {
      throw .malformed(
        "shape \(shape) of \(type.name) takes \(byteCount) bytes; "
          + "\(file.count - dataStart) follow the header")
    }
    let buffer = TensorBuffer(byteCount: byteCount)
    unsafe file[dataStart...].withUnsafeBytes { source in
      guard header.isFortran else { return unsafe buffer.bytes.copyMemory(from: source) }
      let rowCount = shape[0]
      for column in 0..<(rowCount > 0 ? header.rowElementCount : 0) {
        let start = header.fortranPlace(ofColumn: column) * rowCount * type.byteSize
        unsafe scatter(
          UnsafeRawBufferPointer(rebasing: source[start..<(start + rowCount * type.byteSize)]),
          column: column, header, into: buffer.bytes)
      }
    }
    if header.isBigEndian { unsafe swapBytes(of: buffer.bytes, elementBytes: type.byteSize) }
    return Tensor(type, shape: shape, buffer: buffer)
  }

  // MARK: Other orders

  /// Puts one column of rows that lie side by side into its place in each row.
  ///
  /// - Precondition: `rows` has room for a row of `header` for each element of `column`.
  package static func scatter(
    _ elements: UnsafeRawBufferPointer, column: Int, _ header: Header,
    into rows: UnsafeMutableRawBufferPointer
  ) {
    switch header.elementType.byteSize {
    case 1: unsafe scatter(elements, as: UInt8.self, column, header.rowElementCount, rows)
    case 2: unsafe scatter(elements, as: UInt16.self, column, header.rowElementCount, rows)
    case 4: unsafe scatter(elements, as: UInt32.self, column, header.rowElementCount, rows)
    default: unsafe scatter(elements, as: UInt64.self, column, header.rowElementCount, rows)
    }
  }

  @inline(__always)
  private static func scatter<Element: FixedWidthInteger & BitwiseCopyable>(
    _ elements: UnsafeRawBufferPointer, as type: Element.Type, _ column: Int, _ rowElements: Int,
    _ rows: UnsafeMutableRawBufferPointer
  ) {
    let size = MemoryLayout<Element>.size
    let count = elements.count / size
    precondition(count == 0 || ((count - 1) * rowElements + column + 1) * size <= rows.count)
    var target = column * size
    for row in 0..<count {
      let element = unsafe elements.loadUnaligned(fromByteOffset: row * size, as: Element.self)
      unsafe rows.storeBytes(of: element, toByteOffset: target, as: Element.self)
      target += rowElements * size
    }
  }

  /// Turns the bytes of each number around.
  package static func swapBytes(of numbers: UnsafeMutableRawBufferPointer, elementBytes: Int) {
    switch elementBytes {
    case 2: unsafe swapBytes(of: numbers, as: UInt16.self)
    case 4: unsafe swapBytes(of: numbers, as: UInt32.self)
    case 8: unsafe swapBytes(of: numbers, as: UInt64.self)
    default: break
    }
  }

  @inline(__always)
  private static func swapBytes<Element: FixedWidthInteger & BitwiseCopyable>(
    of numbers: UnsafeMutableRawBufferPointer, as type: Element.Type
  ) {
    let size = MemoryLayout<Element>.size
    for place in 0..<(numbers.count / size) {
      let element = unsafe numbers.loadUnaligned(fromByteOffset: place * size, as: Element.self)
      unsafe numbers.storeBytes(
        of: element.byteSwapped, toByteOffset: place * size, as: Element.self)
    }
  }

  /// Whether there is a type of NumPy for this one: not for strings, bfloat16 and those of less
  /// than a byte.
  package static func holds(_ type: ElementType) -> Bool { types.contains { $0.type == type } }

  /// A version 1 file of `tensor`. Precondition: `holds(tensor.elementType)`.
  package static func write(_ tensor: Tensor) -> [UInt8] {
    guard let descriptor = types.first(where: { $0.type == tensor.elementType })?.descriptor else {
      preconditionFailure(".npy has no type for \(tensor.elementType.name)")
    }
    let dimensions = tensor.shape.array.map(String.init).joined(separator: ", ")
    let tuple = tensor.shape.rank == 1 ? "(\(dimensions),)" : "(\(dimensions))"
    var header = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(tuple), }"
    let padding = (64 - (10 + header.utf8.count + 1) % 64) % 64
    header += String(repeating: " ", count: padding) + "\n"
    var file = magic + [1, 0, UInt8(header.utf8.count & 0xFF), UInt8(header.utf8.count >> 8)]
    file.append(contentsOf: header.utf8)
    let bytes = tensor.bytes
    file.reserveCapacity(file.count + bytes.byteCount)
    for offset in 0..<bytes.byteCount {
      file.append(unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
    }
    return file
  }

  /// The order of bytes, which stands first, is no part of the type.
  private static func elementType(_ descriptor: String) -> ElementType? {
    guard let order = descriptor.first, "<>=|".contains(order) else { return nil }
    return types.first { $0.descriptor.dropFirst() == descriptor.dropFirst() }?.type
  }

  private static func quotedValue(of key: String, in header: String) -> String? {
    guard let found = rest(of: header, after: key + ": '") else { return nil }
    return found.split(separator: "'", maxSplits: 1, omittingEmptySubsequences: false).first
      .map(String.init)
  }

  private static func dimensions(in header: String) throws(Failure) -> [Int] {
    guard let found = rest(of: header, after: "'shape': ("),
      let inner = found.split(separator: ")", maxSplits: 1, omittingEmptySubsequences: false).first
    else {
      throw .malformed("the header has no 'shape'")
    }
    var dimensions: [Int] = []
    for part in inner.split(separator: ",") {
      let text = part.filter { $0 != " " }
      if text.isEmpty { continue }
      guard let dimension = Int(text) else {
        throw .malformed("'\(text)' in the shape is no number")
      }
      dimensions.append(dimension)
    }
    return dimensions
  }

  private static func rest(of text: String, after prefix: String) -> Substring? {
    var start = text.startIndex
    while start < text.endIndex {
      if text[start...].hasPrefix(prefix) {
        return text[text.index(start, offsetBy: prefix.count)...]
      }
      start = text.index(after: start)
    }
    return nil
  }
}

extension NPYFormat.Header {
  /// Numbers that a row has.
  package var rowElementCount: Int {
    (1..<max(shape.rank, 1)).reduce(1) { product, axis in product * shape[axis] }
  }

  /// The place, in Fortran's order, of the number that is at `column` of a row in C's order: as many
  /// columns of a number for each row lie before it.
  package func fortranPlace(ofColumn column: Int) -> Int {
    var rest = column
    var place = 0
    // The last dimension counts fastest in C's order, and slowest in Fortran's.
    var distance = rowElementCount
    for axis in (1..<max(shape.rank, 1)).reversed() where shape[axis] > 0 {
      distance /= shape[axis]
      place += rest % shape[axis] * distance
      rest /= shape[axis]
    }
    return place
  }

  /// The column, in C's order, of the number that has this place in Fortran's.
  package func column(ofFortranPlace place: Int) -> Int {
    var rest = place
    var column = 0
    // The first dimension behind the rows counts fastest in Fortran's order, and slowest in C's.
    var distance = rowElementCount
    for axis in 1..<max(shape.rank, 1) where shape[axis] > 0 {
      distance /= shape[axis]
      column += rest % shape[axis] * distance
      rest /= shape[axis]
    }
    return column
  }
}
