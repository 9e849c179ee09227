internal import Foundation

/// A time zone's wall clock. Seconds count from 1970.
package struct ScheduleZone: Sendable, Equatable {
  /// As it was written: `Europe/Berlin`, `W. Europe Standard Time`.
  package let name: String
  private let zone: TimeZone

  /// nil for a name that nobody knows.
  package init?(_ name: String) {
    let identifier = WindowsZones.identifiers[name.lowercased()] ?? name
    guard let zone = TimeZone(identifier: identifier) else { return nil }
    self.name = name
    self.zone = zone
  }

  static let utc = ScheduleZone("UTC")

  /// What the wall clock shows then, as if it were UTC.
  func wallClock(at time: Int64) -> Int64 { time + offset(at: time) }

  /// When the wall clock shows this: the first time where it does twice; where a leap leaves it out,
  /// as much behind the leap.
  func time(ofWallClock wall: Int64) -> Int64 {
    let candidates = candidates(ofWallClock: wall)
    if let exact = candidates.filter({ wallClock(at: $0) == wall }).min() { return exact }
    return candidates.max() ?? wall
  }

  /// The last time at which the wall clock shows this; nil where a leap leaves it out.
  private func lastTime(ofWallClock wall: Int64) -> Int64? {
    candidates(ofWallClock: wall).filter { wallClock(at: $0) == wall }.max()
  }

  private func candidates(ofWallClock wall: Int64) -> [Int64] {
    // The offsets of a day before and after hold every leap between them.
    [offset(at: wall - 86_400), offset(at: wall + 86_400)].map { wall - $0 }
  }

  /// When the wall clock shows these minutes of a day, in the order in which they come: a leap
  /// changes that.
  ///
  /// - Parameter isRepeated: Minutes that the clock shows twice come twice.
  func times(of day: CivilDay, atMinutes minutes: [Int], isRepeated: Bool) -> [Int64] {
    let midnight = day.number * 86_400
    // Without a leap near the day, which is nearly always so, one offset holds for all of it.
    let offset = offset(at: midnight - 86_400)
    let hasLeap = self.offset(at: midnight + 2 * 86_400) != offset
    return minutes.flatMap { minute in
      let wall = midnight + Int64(minute) * 60
      guard hasLeap else { return [wall - offset] }
      let first = time(ofWallClock: wall)
      let last = isRepeated ? lastTime(ofWallClock: wall) : nil
      return [first] + (last.map { $0 == first ? [] : [$0] } ?? [])
    }.sorted()
  }

  private func offset(at time: Int64) -> Int64 {
    Int64(zone.secondsFromGMT(for: Date(timeIntervalSince1970: Double(time))))
  }
}
