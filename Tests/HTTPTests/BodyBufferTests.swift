import Glibc
import Testing

@testable import HTTP

@Suite struct BodyBufferTests {
  /// By `memcmp`: a loop over bytes takes seconds without optimisation.
  private func holds(_ buffer: BodyBuffer, _ expected: [UInt8]) -> Bool {
    guard buffer.count == expected.count else { return false }
    guard let bytes = unsafe buffer.bytes.baseAddress else { return expected.isEmpty }
    return unsafe memcmp(bytes, expected, expected.count) == 0
  }

  @Test func `a body of any size keeps its bytes, in pages used before too`() {
    // Below and above where a body gets pages of its own, and above those that are kept.
    for byteCount in [0, 1, 1023, 1 << 20, (1 << 20) + 1, 3 << 20, 20 << 20, 2 << 20, 5000] {
      var buffer = BodyBuffer()
      buffer.reserve(byteCount)
      var expected: [UInt8] = []
      while expected.count < byteCount {
        // Pieces that end at no boundary of pages.
        let count = min(65_521, byteCount - expected.count)
        let piece = [UInt8](repeating: UInt8(truncatingIfNeeded: expected.count / 7), count: count)
        #expect(unsafe piece.withUnsafeBytes { unsafe buffer.append($0) })
        expected += piece
      }
      #expect(buffer.count == byteCount)
      #expect(holds(buffer, expected))
      buffer.free()
      #expect(buffer.count == 0)
    }
  }

  @Test func `bodies at one time have memory of their own`() {
    var buffers = (0..<5).map { _ in BodyBuffer() }
    for round in 0..<3 {
      for index in buffers.indices {
        let piece = [UInt8](repeating: UInt8(round * 16 + index), count: 1 << 20)
        for _ in 0...index {
          #expect(unsafe piece.withUnsafeBytes { unsafe buffers[index].append($0) })
        }
      }
      for index in buffers.indices {
        #expect(buffers[index].count == (index + 1) << 20)
        let expected = [UInt8](repeating: UInt8(round * 16 + index), count: (index + 1) << 20)
        #expect(holds(buffers[index], expected))
        buffers[index].free()
      }
    }
  }
}
