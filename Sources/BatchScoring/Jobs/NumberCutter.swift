internal import Executors
internal import Tensors

/// Rows of a `.npy` file, as they lie in it.
struct NumberBlock: Sendable {
  var rows: Tensor
  /// The first row's place in its file.
  var firstRow: Int
}

/// Cuts the array of a `.npy` file into blocks of rows, for a model of one input.
///
/// In Fortran's order a row's numbers lie far apart. Such a file is read through once, for its hash,
/// and then in stripes, the rows of some blocks: of each column the numbers of these rows, and of
/// short columns many in one read, with the numbers between that are of other rows. Memory is a
/// stripe, a window of the file and the blocks, whatever the file has. What it costs is a read of the
/// whole file for each stripe, or, where columns are long, a read for each column of each stripe.
struct NumberCutter: Sendable {
  private var source: any ByteSource & Sendable
  private let name: String
  private let header: NPYFormat.Header
  private let rowBytes: Int
  private let maxRows: Int
  private(set) var row = 0
  private let rowCount: Int
  /// Set for Fortran's order.
  private let placed: (any PlacedSource)?
  private let bounds: Bounds
  /// The last stripe, in C's order.
  private var stripe: (firstRow: Int, rowCount: Int, numbers: TensorBuffer)?

  private static let maxHeaderBytes = 1 << 20

  struct Bounds: Sendable {
    /// Of a block; a row of more is one alone.
    var blockBytes = 8 << 20
    /// A longer row is no row: what a header says must not decide how much memory is taken.
    var maxRowBytes = 64 << 20
    /// Of a stripe; blocks of more are one each.
    var stripeBytes = 32 << 20
    /// Of what is read at once for a stripe.
    var windowBytes = 4 << 20
    /// Bytes of other rows that are read along with a column: a read of its own for each column costs
    /// about as much as copying so many.
    var maxGapBytes = 4 << 10
  }

  /// Reads the header.
  init(
    _ source: any ByteSource & Sendable, name: String, input: ModelInput, maxRows: Int,
    bounds: Bounds = Bounds()
  ) throws(BatchError) {
    self.bounds = bounds
    self.source = source
    self.name = name
    let headerBytes: Int
    var bytes = try Self.take(NPYFormat.prefixBytes, from: &self.source)
    do throws(NPYFormat.Failure) {
      let dataStart = try NPYFormat.dataStart(bytes)
      guard dataStart <= Self.maxHeaderBytes else {
        throw NPYFormat.Failure.malformed("its header has \(dataStart) bytes")
      }
      headerBytes = dataStart
    } catch {
      throw .text(file: name, reason: "\(error)")
    }
    bytes += try Self.take(headerBytes - bytes.count, from: &self.source)
    do throws(NPYFormat.Failure) {
      header = try NPYFormat.header(bytes)
    } catch {
      throw .text(file: name, reason: "\(error)")
    }
    let shape = header.shape
    guard shape.rank > 0, shape.rank == input.shape.count,
      (1..<shape.rank).allSatisfy({ input.shape[$0] == nil || input.shape[$0] == shape[$0] }),
      NumberConversion.takes(header.elementType, for: input.elementType)
    else {
      throw .text(
        file: name,
        reason: "holds \(shape) of \(header.elementType.name); the model takes "
          + "\(shapeText(input.shape)) of \(input.elementType.name)")
    }
    rowCount = shape[0]
    rowBytes = rowCount == 0 ? 0 : shape.elementCount / rowCount * header.elementType.byteSize
    // Of such rows a few bytes may claim any number.
    guard rowCount == 0 || rowBytes > 0 else {
      throw .text(file: name, reason: "holds \(shape): its rows have no values")
    }
    // As the model gets it, too: numbers may become wider ones.
    let rowElements = rowBytes / max(header.elementType.byteSize, 1)
    let elementBytes = max(header.elementType.byteSize, input.elementType.byteSize)
    guard rowElements <= bounds.maxRowBytes / max(elementBytes, 1) else {
      throw .text(
        file: name,
        reason: "holds \(shape): a row of it has \(rowElements) values; "
          + "\(bounds.maxRowBytes / max(elementBytes, 1)) of \(elementBytes) bytes may be")
    }
    self.maxRows = max(1, min(maxRows, bounds.blockBytes / max(rowBytes, 1)))
    placed = header.isFortran ? try Self.placed(self.source, header, name) : nil
  }

  /// - Throws: A file that has not as many bytes as its array takes: no row of it is whole.
  private static func placed(
    _ source: any ByteSource, _ header: NPYFormat.Header, _ name: String
  ) throws(BatchError) -> any PlacedSource {
    guard let placed = source as? any PlacedSource else {
      throw .text(file: name, reason: "is in Fortran order, and cannot be read in any other")
    }
    let byteCount = try placed.readThrough() - header.dataStart
    let wanted = header.shape.elementCount * header.elementType.byteSize
    guard byteCount == wanted else {
      throw .text(
        file: name,
        reason: "\(header.shape) of \(header.elementType.name) takes \(wanted) bytes; \(byteCount) "
          + "follow the header")
    }
    return placed
  }

  /// Passes over the rows before `row`.
  mutating func skip(to row: Int) throws(BatchError) {
    if placed != nil {
      self.row = min(row, rowCount)
      return
    }
    while self.row < row {
      let count = min(maxRows, row - self.row)
      self.row += try takeRows(count).rowCount
    }
  }

  /// The next rows; nil at the end.
  mutating func next() throws(BatchError) -> NumberBlock? {
    let count = min(maxRows, rowCount - row)
    guard count > 0 else {
      if placed != nil { return nil }
      var one: [UInt8] = [0]
      guard try Self.read(&source, &one, from: 0) == 0 else {
        throw .text(file: name, reason: "goes on behind its \(rowCount) rows")
      }
      return nil
    }
    let block = NumberBlock(rows: try takeRows(count), firstRow: row)
    row += block.rows.rowCount
    return block
  }

  /// - Returns: Fewer rows than `count` where the file ends behind those; the next call tells.
  private mutating func takeRows(_ count: Int) throws(BatchError) -> Tensor {
    let buffer = TensorBuffer(byteCount: count * rowBytes)
    var taken = count
    if let placed {
      try takeFromStripe(count, of: placed, into: buffer.bytes)
    } else {
      taken = try fill(buffer.bytes, count)
    }
    if header.isBigEndian {
      NPYFormat.swapBytes(of: buffer.bytes, elementBytes: header.elementType.byteSize)
    }
    let rows = Tensor(header.elementType, shape: header.shape.withRows(count), buffer: buffer)
    return taken == count ? rows : rows.rows(0..<taken)
  }

  private mutating func takeFromStripe(
    _ count: Int, of placed: any PlacedSource, into rows: UnsafeMutableRawBufferPointer
  ) throws(BatchError) {
    let current: (firstRow: Int, rowCount: Int, numbers: TensorBuffer)
    if let stripe, row >= stripe.firstRow, row + count <= stripe.firstRow + stripe.rowCount {
      current = stripe
    } else {
      // The memory of the last one is free before that of the next is taken.
      stripe = nil
      current = (row, stripeRows, try readStripe(stripeRows, from: placed))
      stripe = current
    }
    let start = (row - current.firstRow) * rowBytes
    rows.copyMemory(
      from: UnsafeRawBufferPointer(
        rebasing: current.numbers.bytes[start..<(start + count * rowBytes)]))
    if row + count == current.firstRow + current.rowCount { stripe = nil }
  }

  /// Whole blocks, or what is left: a job that goes on at a block's beginning meets the same ones.
  private var stripeRows: Int {
    let fitting = min(
      bounds.stripeBytes / rowBytes, bounds.windowBytes / header.elementType.byteSize)
    return min(max(fitting / maxRows, 1) * maxRows, rowCount - row)
  }

  /// Reads `count` rows from `row` on.
  private func readStripe(
    _ count: Int, from placed: any PlacedSource
  ) throws(BatchError) -> TensorBuffer {
    let elementBytes = header.elementType.byteSize
    let numbers = TensorBuffer(byteCount: count * rowBytes)
    let (columnBytes, partBytes) = (rowCount * elementBytes, count * elementBytes)
    let columns = header.rowElementCount
    var columnsAtOnce = 1
    if columnBytes - partBytes <= bounds.maxGapBytes {
      columnsAtOnce = max(1, min(columns, bounds.windowBytes / columnBytes))
    }
    let window = UnsafeMutableRawBufferPointer.allocate(
      byteCount: (columnsAtOnce - 1) * columnBytes + partBytes, alignment: 64)
    defer { window.deallocate() }
    var reads = 0
    for first in stride(from: 0, to: columns, by: columnsAtOnce) {
      if columnsAtOnce > 1 || reads % Self.readsBetweenChecks == 0 { try placed.check() }
      reads += 1
      let read = min(columnsAtOnce, columns - first)
      try placed.read(
        at: header.dataStart + first * columnBytes + row * elementBytes,
        into: UnsafeMutableRawBufferPointer(
          rebasing: window[..<((read - 1) * columnBytes + partBytes)]))
      for place in 0..<read {
        let start = place * columnBytes
        NPYFormat.scatter(
          UnsafeRawBufferPointer(rebasing: window[start..<(start + partBytes)]),
          column: header.column(ofFortranPlace: first + place), header, into: numbers.bytes)
      }
    }
    try placed.check()
    return numbers
  }

  private static let readsBetweenChecks = 1024

  /// - Returns: How many rows came.
  private mutating func fill(
    _ rows: UnsafeMutableRawBufferPointer, _ count: Int
  ) throws(BatchError) -> Int {
    var filled = 0
    while filled < count * rowBytes {
      let part = try source.read(
        into: UnsafeMutableRawBufferPointer(rebasing: rows[filled..<(count * rowBytes)]))
      guard part > 0 else {
        let whole = filled / rowBytes
        guard whole > 0 else {
          throw .text(file: name, reason: "ends in row \(row) of \(rowCount)")
        }
        return whole
      }
      filled += part
    }
    return count
  }

  private static func take(
    _ count: Int, from source: inout any ByteSource & Sendable
  ) throws(BatchError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: max(count, 0))
    var filled = 0
    while filled < bytes.count {
      let part = try read(&source, &bytes, from: filled)
      // Who reads the header tells what is missing.
      if part == 0 { break }
      filled += part
    }
    bytes.removeLast(bytes.count - filled)
    return bytes
  }

  private static func read(
    _ source: inout any ByteSource & Sendable, _ bytes: inout [UInt8], from start: Int
  ) throws(BatchError) -> Int {
    var count = 0
    var failure: BatchError?
    bytes.withUnsafeMutableBytes { room in
      do throws(BatchError) {
        count = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: room[start...]))
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return count
  }
}
