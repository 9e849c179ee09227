import Executors
import Synchronization
import Tensors
import Testing

@testable import BatchScoring

/// Arrays whose rows lie apart, by the reads that they take.
@Suite struct NumberCutterTests {
  /// A file in memory that counts what is read of it out of turn.
  private final class Memory: Sendable {
    let bytes: [UInt8]
    let state = Mutex((position: 0, reads: 0, mostBytes: 0))

    init(_ bytes: [UInt8]) { self.bytes = bytes }
  }

  private struct MemorySource: ByteSource, PlacedSource {
    let memory: Memory

    mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
      memory.state.withLock { state in
        let part = memory.bytes[state.position...].prefix(buffer.count)
        buffer.copyBytes(from: part)
        state.position += part.count
        return part.count
      }
    }

    func readThrough() throws(BatchError) -> Int { memory.bytes.count }

    func read(at offset: Int, into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) {
      memory.state.withLock { state in
        state.reads += 1
        state.mostBytes = max(state.mostBytes, buffer.count)
      }
      buffer.copyBytes(from: memory.bytes[offset..<(offset + buffer.count)])
    }

    func check() throws(BatchError) {}
  }

  /// `rowCount` rows of whole numbers of 4 bytes, each its place in C's order.
  private static func file(
    _ rowCount: Int, _ dimensions: [Int]
  ) throws -> (Memory, NPYFormat.Header) {
    let shape = ([rowCount] + dimensions).map(String.init).joined(separator: ", ")
    var header = "{'descr': '<i4', 'fortran_order': True, 'shape': (\(shape)), }"
    header += String(repeating: " ", count: 118 - header.utf8.count - 1) + "\n"
    var file: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 118, 0] + Array(header.utf8)
    let columns = dimensions.reduce(1, *)
    let parsed = try NPYFormat.header(file)
    var numbers = [Int32](repeating: 0, count: rowCount * columns)
    for column in 0..<columns {
      let place = parsed.fortranPlace(ofColumn: column)
      for row in 0..<rowCount { numbers[place * rowCount + row] = Int32(row * columns + column) }
    }
    numbers.withUnsafeBytes { file += $0 }
    return (Memory(file), parsed)
  }

  private static func rows(
    _ memory: Memory, _ dimensions: [Int], maxRows: Int, from first: Int = 0,
    _ bounds: NumberCutter.Bounds
  ) throws -> (numbers: [Int32], blocks: [Int]) {
    memory.state.withLock { $0 = (0, 0, 0) }
    var cutter = try NumberCutter(
      MemorySource(memory: memory), name: "a.npy",
      input: ModelInput(name: "X", elementType: .int32, shape: [nil] + dimensions.map { $0 }),
      maxRows: maxRows, bounds: bounds)
    try cutter.skip(to: first)
    var (numbers, blocks): ([Int32], [Int]) = ([], [])
    while let block = try cutter.next() {
      blocks.append(block.firstRow)
      let values = block.rows.values(as: Int32.self)
      for index in values.indices { numbers.append(values[index]) }
    }
    return (numbers, blocks)
  }

  @Test(arguments: [[7], [3, 4], [2, 3, 5]], [1, 4, 100])
  func `rows are those of the array, whatever is read at once`(
    _ dimensions: [Int], _ maxRows: Int
  ) throws {
    let (rowCount, columns) = (23, dimensions.reduce(1, *))
    let (memory, header) = try Self.file(rowCount, dimensions)
    for column in 0..<columns {
      #expect(header.column(ofFortranPlace: header.fortranPlace(ofColumn: column)) == column)
    }
    let all = (0..<(rowCount * columns)).map { Int32($0) }
    for (block, stripe, window, gap) in [
      (1000, 1 << 20, 1 << 20, 4096), (1, 1, 1, 0), (200, 500, 100, 4096), (200, 500, 100, 0),
      (64, 4096, 10_000, 40), (100_000, 1, 300, 4096),
    ] {
      var bounds = NumberCutter.Bounds()
      (bounds.blockBytes, bounds.stripeBytes) = (block, stripe)
      (bounds.windowBytes, bounds.maxGapBytes) = (window, gap)
      let whole = try Self.rows(memory, dimensions, maxRows: maxRows, bounds)
      #expect(whole.numbers == all, "\(block) \(stripe) \(window) \(gap)")
      // A job goes on behind a block, with the same ones.
      for first in whole.blocks {
        let rest = try Self.rows(memory, dimensions, maxRows: maxRows, from: first, bounds)
        #expect(rest.blocks == whole.blocks.filter { $0 >= first })
        #expect(rest.numbers == Array(all[(first * columns)...]))
      }
    }
  }

  @Test func `wide rows and mini-batches of one row take no read for each number`() throws {
    // Rows of 8.8 MB.
    let (columns, rowCount) = (2_200_000, 3)
    let (memory, _) = try Self.file(rowCount, [columns])
    let wide = try Self.rows(memory, [columns], maxRows: 65_536, NumberCutter.Bounds())
    #expect(wide.blocks == [0, 1, 2])
    #expect(wide.numbers.count == rowCount * columns)
    #expect(wide.numbers.indices.allSatisfy { wide.numbers[$0] == Int32($0) })
    let counts = memory.state.withLock { $0 }
    #expect(counts.reads <= 10 && counts.mostBytes <= 4 << 20, "\(counts)")
    let (long, _) = try Self.file(20_000, [5])
    let single = try Self.rows(long, [5], maxRows: 1, NumberCutter.Bounds())
    #expect(single.blocks.count == 20_000)
    #expect(long.state.withLock { $0.reads } <= 5)
  }
}
