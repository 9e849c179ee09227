internal import Compression
internal import Glibc
internal import Synchronization

/// What a gzip file unfolds to. Memory does not grow, however far it unfolds.
struct UnpackedSource: ByteSource, Sendable {
  private let unpacking: Unpacking

  init(_ file: WatchedFile) throws(BatchError) {
    do {
      unpacking = Unpacking(file, try Inflater())
    } catch {
      throw .system(ENOMEM, "unpacking \(file.file.path)")
    }
  }

  mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
    try unpacking.read(into: buffer)
  }

  private final class Unpacking: Sendable {
    private struct State {
      var packed: [UInt8] = []
      var start = 0
      var isAtEnd = false
      var hasMember = false
    }

    private let file: WatchedFile
    private let inflater: Inflater
    private let state = Mutex(State())
    private static let readBytes = 64 << 10

    init(_ file: WatchedFile, _ inflater: Inflater) {
      self.file = file
      self.inflater = inflater
    }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(BatchError) -> Int {
      ThreadPriority.giveWay()
      return try state.withLock { (state) throws(BatchError) in
        // A block that is packed well unfolds to very many.
        try file.checkWhetherToGoOn()
        while true {
          if state.start == state.packed.count, !state.isAtEnd { try refill(&state) }
          let produced = try unpack(&state, into: buffer)
          if produced > 0 { return produced }
          guard state.isAtEnd, state.start == state.packed.count else { continue }
          guard inflater.isAtMemberEnd else {
            throw .text(file: file.file.path, reason: "the gzip data ends too early")
          }
          return 0
        }
      }
    }

    private func refill(_ state: inout State) throws(BatchError) {
      if state.packed.count != Self.readBytes {
        state.packed = [UInt8](repeating: 0, count: Self.readBytes)
      }
      var count = 0
      var failure: BatchError?
      state.packed.withUnsafeMutableBytes { room in
        do throws(BatchError) {
          count = try file.read(into: room)
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      state.packed.removeLast(state.packed.count - count)
      state.start = 0
      state.isAtEnd = count == 0
    }

    private func unpack(
      _ state: inout State, into buffer: UnsafeMutableRawBufferPointer
    ) throws(BatchError) -> Int {
      // Padding up to a block of a tape or a disk: gzip and Python pass over it too.
      if inflater.isAtMemberEnd, state.hasMember {
        while state.start < state.packed.count, state.packed[state.start] == 0 { state.start += 1 }
      }
      var outcome = (consumed: 0, produced: 0)
      var failure: CompressionError?
      state.packed.withUnsafeBytes { packed in
        do throws(CompressionError) {
          outcome = try inflater.inflate(
            UnsafeRawBufferPointer(rebasing: packed[state.start...]), into: buffer)
        } catch {
          failure = error
        }
      }
      switch failure {
      case nil: break
      case .noMemory: throw .system(ENOMEM, "unpacking \(file.file.path)")
      case .malformed(_, let reason):
        throw .text(file: file.file.path, reason: "is no valid gzip: \(reason)")
      case .truncated, .tooLarge, .amplified:
        throw .text(file: file.file.path, reason: "is no valid gzip")
      }
      state.start += outcome.consumed
      if outcome.consumed > 0 { state.hasMember = true }
      return outcome.produced
    }
  }
}
