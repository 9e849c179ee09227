import Digest
import Foundation
import Testing

struct SHA256Tests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func `the vectors of FIPS 180 hold`(text: String, expected: String) {
    #expect(SHA256.hex(of: Array(text.utf8)) == expected)
  }

  @Test func `a million letters hashed in uneven pieces give the published hash`() {
    var hash = SHA256()
    let letters = [UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000)
    var start = 0
    var length = 1
    while start < letters.count {
      let end = min(start + length, letters.count)
      hash.update(letters.span.extracting(start..<end).bytes)
      start = end
      length = length % 7919 + 1013
    }
    #expect(
      hash.hex() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
  }

  @Test func `a file of several blocks hashes as sha256sum says`() throws {
    let path = NSTemporaryDirectory() + "/sha256-" + SecureRandom.uuid()
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Data(SecureRandom.bytes(3 << 20 | 17)).write(to: URL(fileURLWithPath: path))
    let tool = Process()
    tool.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
    tool.arguments = [path]
    let output = Pipe()
    tool.standardOutput = output
    try tool.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    tool.waitUntilExit()
    #expect(try SHA256.hex(ofFile: path) == String(text.prefix(64)))
  }

  @Test func `a missing file is named`() {
    #expect(
      throws: DigestError.unreadable(path: "/nowhere/at-all", reason: "No such file or directory")
    ) {
      try SHA256.hex(ofFile: "/nowhere/at-all")
    }
  }
}
