import Digest
import Testing

struct SecretsTests {
  @Test func `an endpoint key has prefix, random part and checksum`() {
    let keys = (0..<200).map { _ in EndpointKey.make() }
    #expect(Set(keys).count == 200)
    for key in keys {
      #expect(key.count == 53)
      #expect(key.hasPrefix("swk_"))
      #expect(EndpointKey.isWellFormed(key))
    }
  }

  @Test func `an admin key is told from an endpoint's, and its hash tells nothing of it`() {
    let key = AdminKey.make()
    #expect(key.hasPrefix("swa_") && AdminKey.isWellFormed(key))
    #expect(!EndpointKey.isWellFormed(key) && !AdminKey.isWellFormed(EndpointKey.make()))
    #expect(AdminKey.hash(key.utf8) == SHA256.bytes(of: Array(key.utf8)))
  }

  @Test func `a key with one changed character is not well formed`() {
    let key = Array(EndpointKey.make().utf8)
    for index in key.indices {
      var changed = key
      changed[index] = changed[index] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
      #expect(!EndpointKey.isWellFormed(String(decoding: changed, as: UTF8.self)))
    }
    #expect(!EndpointKey.isWellFormed(""))
    #expect(!EndpointKey.isWellFormed("swk_"))
  }

  @Test func `what is sealed opens, each time under another nonce`() throws {
    let sealer = Sealer(secret: SecureRandom.bytes(32))
    for count in [0, 1, 53, 4096] {
      let plain = SecureRandom.bytes(count)
      #expect(try sealer.open(sealer.seal(plain)) == plain)
      #expect(sealer.seal(plain) != sealer.seal(plain))
    }
  }

  @Test func `a sealed value with any bit changed does not open`() {
    let sealer = Sealer(secret: SecureRandom.bytes(32))
    let sealed = sealer.seal(Array(EndpointKey.make().utf8))
    for index in sealed.indices {
      for bit in 0..<8 {
        var changed = sealed
        changed[index] ^= 1 << UInt8(bit)
        #expect(throws: DigestError.sealBroken) { try sealer.open(changed) }
      }
    }
    for count in sealed.indices {
      #expect(throws: DigestError.sealBroken) { try sealer.open(Array(sealed[..<count])) }
    }
  }

  @Test func `another workspace's secret does not open it`() {
    let sealed = Sealer(secret: SecureRandom.bytes(32)).seal([1, 2, 3])
    #expect(throws: DigestError.sealBroken) {
      try Sealer(secret: SecureRandom.bytes(32)).open(sealed)
    }
  }

  @Test func `comparing tells equal from unequal`() {
    func areEqual(_ left: String, _ right: String) -> Bool {
      equalInConstantTime(Array(left.utf8).span, Array(right.utf8).span)
    }
    #expect(areEqual("abc", "abc"))
    #expect(!areEqual("abc", "abd"))
    #expect(!areEqual("abc", "ab"))
    #expect(areEqual("", ""))
    let key = Array(EndpointKey.make().utf8)
    let other = key
    let isSame = equalInConstantTime(key.span, other.span)
    #expect(isSame)
    for index in key.indices {
      var other = key
      other[index] ^= 1
      let isEqual = equalInConstantTime(key.span, other.span)
      #expect(!isEqual, "\(index)")
    }
  }

  @Test func `a UUID is of version 4`() {
    let uuid = Array(SecureRandom.uuid())
    #expect(uuid.count == 36)
    #expect(uuid[14] == "4")
    #expect("89ab".contains(uuid[19]))
  }
}
