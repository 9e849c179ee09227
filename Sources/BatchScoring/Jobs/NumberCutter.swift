internal import Executors
internal import Tensors

/// Rows of a `.npy` file, as they lie in it.
struct NumberBlock: Sendable {
  var rows: Tensor
  /// The first row's place in its file.
  var firstRow: Int
}

/// Cuts the array of a `.npy` file into blocks of rows, for a model of one input.
struct NumberCutter: Sendable {
  private var source: any ByteSource & Sendable
  private let name: String
  private let header: NPYFormat.Header
  private let rowBytes: Int
  private let maxRows: Int
  private(set) var row = 0
  private let rowCount: Int

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
  }

  /// Passes over the rows before `row`.
  mutating func skip(to row: Int) throws(BatchError) {
    while self.row < row {
      let count = min(maxRows, row - self.row)
      self.row += try takeRows(count).rowCount
    }
  }

  /// The next rows; nil at the end.
  mutating func next() throws(BatchError) -> NumberBlock? {
    let count = min(maxRows, rowCount - row)
    guard count > 0 else {
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
    var filled = 0
    while filled < count * rowBytes {
      let part = try source.read(
        into: UnsafeMutableRawBufferPointer(rebasing: buffer.bytes[filled..<(count * rowBytes)]))
      guard part > 0 else {
        let whole = filled / rowBytes
        guard whole > 0 else {
          throw .text(file: name, reason: "ends in row \(row) of \(rowCount)")
        }
        return Tensor(header.elementType, shape: header.shape.withRows(count), buffer: buffer)
          .rows(0..<whole)
      }
      filled += part
    }
    return Tensor(header.elementType, shape: header.shape.withRows(count), buffer: buffer)
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
