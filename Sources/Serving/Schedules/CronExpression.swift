/// Five fields: minute, hour, day of the month, month, day of the week (0 or 7 is Sunday).
///
/// A field is `*`, numbers, ranges `1-5`, steps `*/15` and lists of these; months and days may be
/// given by their first three letters. Where both days are given, one that fits is enough.
package struct CronExpression: Sendable, Equatable {
  package let text: String
  let minutes: [Int]
  let hours: [Int]
  /// Runs every so often rather than at a time of the day: in an hour that the clock repeats too, as
  /// cron has it.
  let isRepeated: Bool
  private let monthDays: Set<Int>
  private let months: Set<Int>
  private let weekDays: Set<Int>
  private let fitsEither: Bool

  package struct Fault: Error, Equatable {
    package var reason: String
  }

  package init(_ text: String) throws(Fault) {
    let fields = text.split(whereSeparator: \.isWhitespace)
    guard fields.count == 5 else {
      throw Fault(
        reason: "has \(fields.count) fields; expected 5: minute, hour, day, month, weekday")
    }
    self.text = text
    minutes = try Self.values(fields[0], 0...59, "minute").sorted()
    hours = try Self.values(fields[1], 0...23, "hour").sorted()
    isRepeated = fields[0].hasPrefix("*") || fields[1].hasPrefix("*")
    monthDays = try Self.values(fields[2], 1...31, "day of the month")
    months = try Self.values(fields[3], 1...12, "month", names: Self.monthNames, first: 1)
    weekDays = Set(
      try Self.values(fields[4], 0...7, "day of the week", names: Self.dayNames, first: 0)
        .map { $0 % 7 })
    fitsEither = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
  }

  func fits(_ day: CivilDay) -> Bool {
    let parts = day.parts
    guard months.contains(Int(parts.month)) else { return false }
    let fitsMonth = monthDays.contains(Int(parts.day))
    let fitsWeek = weekDays.contains(day.weekday)
    return fitsEither ? fitsMonth || fitsWeek : fitsMonth && fitsWeek
  }

  private static let monthNames = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
  ]
  private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

  private static func values(
    _ field: Substring, _ range: ClosedRange<Int>, _ what: String, names: [String] = [],
    first: Int = 0
  ) throws(Fault) -> Set<Int> {
    func number(_ text: Substring) throws(Fault) -> Int {
      if let index = names.firstIndex(of: text.lowercased()) { return index + first }
      guard let number = Int(text), range.contains(number) else {
        throw Fault(
          reason: "has the \(what) '\(text)'; expected \(range.lowerBound) to \(range.upperBound)")
      }
      return number
    }
    var values: Set<Int> = []
    for item in field.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = item.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      var step = 1
      if parts.count == 2 {
        guard let given = Int(parts[1]), (1...59).contains(given) else {
          throw Fault(reason: "has the step '\(item)' of the \(what); expected a number behind '/'")
        }
        step = given
      }
      let bounds: ClosedRange<Int>
      if parts[0] == "*" {
        bounds = range
      } else {
        let ends = parts[0].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let low = try number(ends[0])
        let high =
          ends.count == 2 ? try number(ends[1]) : parts.count == 2 ? range.upperBound : low
        guard low <= high else { throw Fault(reason: "has the range '\(item)' of the \(what)") }
        bounds = low...high
      }
      values.formUnion(stride(from: bounds.lowerBound, through: bounds.upperBound, by: step))
    }
    return values
  }
}
