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
/// and then in pieces: of each column the numbers of a block's rows. Memory is a block and one such
/// piece, whatever the file has; what it costs is a read for each column of each block, so a row of
/// many megabytes takes as many reads as it has numbers.
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

  private static let maxHeaderBytes = 1 << 20
  private static let maxBlockBytes = 8 << 20

  /// Reads the header.
  init(
    _ source: any ByteSource & Sendable, name: String, input: ModelInput, maxRows: Int
  ) throws(BatchError) {
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
    self.maxRows = max(1, min(maxRows, Self.maxBlockBytes / max(rowBytes, 1)))
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
      try takeColumns(count, from: placed, into: buffer.bytes)
    } else {
      taken = try fill(buffer.bytes, count)
    }
    if header.isBigEndian {
      NPYFormat.swapBytes(of: buffer.bytes, elementBytes: header.elementType.byteSize)
    }
    let rows = Tensor(header.elementType, shape: header.shape.withRows(count), buffer: buffer)
    return taken == count ? rows : rows.rows(0..<taken)
  }

  private func takeColumns(
    _ count: Int, from placed: any PlacedSource, into rows: UnsafeMutableRawBufferPointer
  ) throws(BatchError) {
    let elementBytes = header.elementType.byteSize
    let piece = UnsafeMutableRawBufferPointer.allocate(
      byteCount: count * elementBytes, alignment: 64)
    defer { piece.deallocate() }
    for column in 0..<header.rowElementCount {
      if column % Self.readsBetweenChecks == 0 { try placed.check() }
      let element = header.fortranPlace(ofColumn: column) * rowCount + row
      try placed.read(at: header.dataStart + element * elementBytes, into: piece)
      NPYFormat.scatter(UnsafeRawBufferPointer(piece), column: column, header, into: rows)
    }
    try placed.check()
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
