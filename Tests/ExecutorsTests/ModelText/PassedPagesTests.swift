import Foundation
import Testing

@testable import Executors

#if canImport(Glibc)
  import Glibc
#endif

/// Pages that a reader has passed leave this process's memory, and hold what they held.
@Suite struct PassedPagesTests {
  private static func residentPages(_ file: ModelFile) -> Int {
    file.bytes.withUnsafeBytes { bytes in
      // Whether this process has them, which `mincore` does not tell.
      let entries = open("/proc/self/pagemap", O_RDONLY)
      defer { close(entries) }
      var present = 0
      let first = Int(bitPattern: bytes.baseAddress) / 4096
      for page in 0..<(bytes.count / 4096) {
        var entry: UInt64 = 0
        guard pread(entries, &entry, 8, off_t((first + page) * 8)) == 8 else { return -1 }
        if entry >> 63 == 1 { present += 1 }
      }
      return present
    }
  }

  @Test func `what a reader has passed is let go and can be read again`() throws {
    let path = NSTemporaryDirectory() + "/swerve-\(UUID().uuidString).bin"
    let count = 20 << 20
    var content = Data(count: count)
    for page in stride(from: 0, to: count, by: 4096) { content[page] = UInt8(page >> 12 & 255) }
    try content.write(to: URL(fileURLWithPath: path))
    defer { unlink(path) }
    let file = try ModelFile(path: path)
    func sum() -> Int {
      var sum = 0
      for page in stride(from: 0, to: count, by: 4096) {
        sum += Int(file.bytes.unsafeLoad(fromByteOffset: page, as: UInt8.self))
      }
      return sum
    }
    let before = sum()
    #expect(Self.residentPages(file) == count / 4096)
    var passed = PassedPages(file)
    passed.pass(1 << 20)
    #expect(Self.residentPages(file) == count / 4096)
    passed.pass(16 << 20 | 5)
    #expect(Self.residentPages(file) == (4 << 20) / 4096)
    #expect(sum() == before)
  }
}
