import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// What a test says of times, to be judged together.
package struct TimeBounds {
  package private(set) var misses: [String] = []

  package mutating func expect(_ isMet: Bool, _ miss: String) {
    if !isMet { misses.append(miss) }
  }
}

/// CPU time that the host gives to others while this machine wants it: as Linux counts it, and as
/// `Stalls` sees it, since a machine that is halted as a whole counts nothing.
///
/// Beside a busy neighbour a sleep of 40 ms takes 200, and what is measured is the neighbour.
package struct StolenTime {
  private let before = StolenTime.ticks()
  private let stalls = Stalls()

  package init() {}

  /// Of all CPUs' time since.
  package var share: Double {
    let now = StolenTime.ticks()
    let counted = Double(now.stolen - before.stolen) / Double(max(now.all - before.all, 1))
    return max(counted, stalls.share)
  }

  private static let maxShare = 0.05
  private static let attempts = 5

  /// Measures until the bounds are met, or missed on a machine that had its CPUs.
  ///
  /// What `measure` expects of anything else than times, it expects at each attempt.
  package static func judged(
    _ name: String, _ measure: (inout TimeBounds) throws -> Void
  ) throws {
    for attempt in 1...attempts {
      let stolen = StolenTime()
      var bounds = TimeBounds()
      try measure(&bounds)
      let share = stolen.share
      if bounds.misses.isEmpty { return }
      guard share > maxShare else {
        for miss in bounds.misses { Issue.record("\(name): \(miss)") }
        return
      }
      print(
        "\(name): the host took \(Int(share * 100)) % of the CPUs, attempt \(attempt) of "
          + "\(attempts): \(bounds.misses.joined(separator: "; "))")
      sleep(10)
    }
    print("skipped: \(name): its times cannot be judged on a machine whose host takes its CPUs")
  }

  private static func ticks() -> (all: Int, stolen: Int) {
    guard let file = fopen("/proc/stat", "r") else { return (0, 0) }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 512)
    guard fgets(&line, Int32(line.count), file) != nil else { return (0, 0) }
    // "cpu", then user, nice, system, idle, iowait, irq, softirq, steal.
    let text = String(
      decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let numbers = text.split(whereSeparator: \.isWhitespace).dropFirst().prefix(8).compactMap {
      Int($0)
    }
    return (numbers.reduce(0, +), numbers.count == 8 ? numbers[7] : 0)
  }
}
