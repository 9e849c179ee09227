/// A day of the Gregorian calendar by its number since 1970-01-01.
struct CivilDay: Equatable {
  var number: Int64

  /// Of seconds that a wall clock shows.
  init(wallClock: Int64) { number = Self.floor(wallClock, by: 86_400) }

  init(number: Int64) { self.number = number }

  /// nil for a day that no month has.
  init?(year: Int64, month: Int64, day: Int64) {
    guard (1...12).contains(month), (1...31).contains(day), (1...9999).contains(year) else {
      return nil
    }
    // The year begins in March, so that the leap day is its last.
    let shifted = month <= 2 ? year - 1 : year
    let era = Self.floor(shifted, by: 400)
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    number = era * 146_097 + dayOfEra - 719_468
    guard parts == (year, month, day) else { return nil }
  }

  /// 0 is Sunday.
  var weekday: Int {
    let rest = (number + 4) % 7
    return Int(rest < 0 ? rest + 7 : rest)
  }

  /// Weeks begin on Monday.
  var week: Int64 { Self.floor(number + 3, by: 7) }

  var parts: (year: Int64, month: Int64, day: Int64) {
    let shifted = number + 719_468
    let era = Self.floor(shifted, by: 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra =
      (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    return (
      yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month,
      dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    )
  }

  private static func floor(_ value: Int64, by divisor: Int64) -> Int64 {
    value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor)
  }
}
