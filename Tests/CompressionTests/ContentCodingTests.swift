import Compression
import Testing

@Suite struct ContentCodingTests {
  /// Bytes that compress a little, as numbers do.
  static let sample = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) }

  @Test(arguments: ContentCoding.allCases)
  func `what is compressed comes back`(coding: ContentCoding) throws {
    let packed = try #require(coding.compressed(Self.sample))
    #expect(packed.count < Self.sample.count)
    #expect(try coding.decompressed(packed.span, maxBytes: 100_000) == Self.sample)
  }

  @Test func `what does not become smaller stays as it is`() {
    #expect(ContentCoding.gzip.compressed([1, 2, 3]) == nil)
    #expect(ContentCoding.gzip.compressed([]) == nil)
  }

  @Test func `members of gzip follow one another, behind deflate nothing may`() throws {
    let zeros = [UInt8](repeating: 0, count: 1000)
    let gzip = try #require(ContentCoding.gzip.compressed(zeros))
    #expect(try ContentCoding.gzip.decompressed((gzip + gzip).span, maxBytes: 2000).count == 2000)
    let deflate = try #require(ContentCoding.deflate.compressed(zeros))
    #expect(throws: CompressionError.malformed(.deflate, reason: "bytes follow its end")) {
      try ContentCoding.deflate.decompressed((deflate + [0]).span, maxBytes: 2000)
    }
  }

  @Test(arguments: ContentCoding.allCases)
  func `every cut and every flipped byte is an error or the whole`(coding: ContentCoding) throws {
    let packed = try #require(coding.compressed(Array(Self.sample[..<3000])))
    for count in 0..<packed.count {
      #expect(throws: CompressionError.self) {
        try coding.decompressed(Array(packed[..<count]).span, maxBytes: 10_000)
      }
    }
    for index in packed.indices {
      var broken = packed
      broken[index] ^= 0x55
      // A header's time or system may be anything; the checksum guards what counts.
      if let whole = try? coding.decompressed(broken.span, maxBytes: 10_000) {
        #expect(whole == Array(Self.sample[..<3000]))
      }
    }
  }

  @Test(arguments: ContentCoding.allCases)
  func `a tensor of zeros is unpacked`(coding: ContentCoding) throws {
    let zeros = [UInt8](repeating: 0, count: 2 << 20)
    let packed = try #require(coding.compressed(zeros))
    #expect(packed.count * ContentCoding.maxRatio < zeros.count)
    #expect(try coding.decompressed(packed.span, maxBytes: 64 << 20) == zeros)
  }

  @Test func `a body that grows over the cap or a hundredfold is refused`() throws {
    let zeros = try #require(
      ContentCoding.gzip.compressed([UInt8](repeating: 0, count: 20 << 20)))
    #expect(throws: CompressionError.tooLarge(limit: 1000)) {
      try ContentCoding.gzip.decompressed(zeros.span, maxBytes: 1000)
    }
    #expect(throws: CompressionError.amplified(ratio: 100)) {
      try ContentCoding.gzip.decompressed(zeros.span, maxBytes: 64 << 20)
    }
  }

  @Test func `Accept-Encoding chooses the first of ours that it allows`() {
    #expect(ContentCoding(acceptedBy: "gzip, deflate") == .gzip)
    #expect(ContentCoding(acceptedBy: "br, deflate;q=0.5") == .deflate)
    #expect(ContentCoding(acceptedBy: "gzip;q=0, deflate") == .deflate)
    #expect(ContentCoding(acceptedBy: "gzip; q=0") == nil)
    #expect(ContentCoding(acceptedBy: "identity") == nil)
    #expect(ContentCoding(acceptedBy: "") == nil)
  }
}
