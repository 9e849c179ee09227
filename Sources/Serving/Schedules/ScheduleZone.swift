internal import Foundation

/// A time zone's wall clock. Seconds count from 1970.
package struct ScheduleZone: Sendable, Equatable {
  /// As it was written: `Europe/Berlin`, `W. Europe Standard Time`.
  package let name: String
  private let zone: TimeZone

  /// nil for a name that nobody knows.
  package init?(_ name: String) {
    let identifier = Self.windowsNames[name.lowercased()] ?? name
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

  /// The names that Azure's schedules use, where they differ. Source: CLDR's windowsZones, the
  /// territory 001.
  private static let windowsNames: [String: String] = [
    "utc": "UTC", "gmt standard time": "Europe/London",
    "greenwich standard time": "Atlantic/Reykjavik",
    "w. europe standard time": "Europe/Berlin", "central europe standard time": "Europe/Budapest",
    "romance standard time": "Europe/Paris", "central european standard time": "Europe/Warsaw",
    "e. europe standard time": "Europe/Chisinau", "fle standard time": "Europe/Kiev",
    "gtb standard time": "Europe/Bucharest", "turkey standard time": "Europe/Istanbul",
    "russian standard time": "Europe/Moscow", "israel standard time": "Asia/Jerusalem",
    "egypt standard time": "Africa/Cairo", "south africa standard time": "Africa/Johannesburg",
    "arab standard time": "Asia/Riyadh", "arabian standard time": "Asia/Dubai",
    "iran standard time": "Asia/Tehran", "pakistan standard time": "Asia/Karachi",
    "india standard time": "Asia/Calcutta", "nepal standard time": "Asia/Katmandu",
    "bangladesh standard time": "Asia/Dhaka", "se asia standard time": "Asia/Bangkok",
    "china standard time": "Asia/Shanghai", "singapore standard time": "Asia/Singapore",
    "taipei standard time": "Asia/Taipei", "w. australia standard time": "Australia/Perth",
    "tokyo standard time": "Asia/Tokyo", "korea standard time": "Asia/Seoul",
    "aus central standard time": "Australia/Darwin",
    "cen. australia standard time": "Australia/Adelaide",
    "e. australia standard time": "Australia/Brisbane",
    "aus eastern standard time": "Australia/Sydney",
    "new zealand standard time": "Pacific/Auckland",
    "hawaiian standard time": "Pacific/Honolulu", "alaskan standard time": "America/Anchorage",
    "pacific standard time": "America/Los_Angeles", "mountain standard time": "America/Denver",
    "us mountain standard time": "America/Phoenix", "central standard time": "America/Chicago",
    "eastern standard time": "America/New_York", "us eastern standard time": "America/Indianapolis",
    "atlantic standard time": "America/Halifax", "newfoundland standard time": "America/St_Johns",
    "e. south america standard time": "America/Sao_Paulo",
    "argentina standard time": "America/Buenos_Aires",
    "sa pacific standard time": "America/Bogota", "pacific sa standard time": "America/Santiago",
    "central standard time (mexico)": "America/Mexico_City",
  ]
}
