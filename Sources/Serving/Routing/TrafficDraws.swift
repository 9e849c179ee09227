internal import Synchronization

/// Uniform random numbers for choosing deployments: one atomic addition a draw, no lock.
///
/// SplitMix64: a counter that steps by a fixed odd number, and a mix of its bits. Each draw of
/// each thread gets its own counter value, so draws never repeat together.
struct TrafficDraws: ~Copyable, Sendable {
  private let counter: Atomic<UInt64>

  init(seed: UInt64) { counter = Atomic(seed) }

  /// A number in `0..<bound`.
  func next(below bound: Int) -> Int {
    let state = counter.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
    return Int(mixedBits(state).multipliedFullWidth(by: UInt64(bound)).high)
  }
}

/// SplitMix64's mix: one to one, and every bit depends on every bit.
package func mixedBits(_ value: UInt64) -> UInt64 {
  var bits = value
  bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
  bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
  return bits ^ (bits >> 31)
}
