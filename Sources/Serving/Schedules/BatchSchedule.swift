package import Documents

/// `swerve: schedule:` of a batch endpoint: when its jobs begin by themselves, and over what.
/// Source: `AZUREML.md` §1.9.
package struct BatchSchedule: Sendable, Equatable {
  package enum Frequency: String, Sendable, CaseIterable {
    case minute, hour, day, week, month
  }

  /// Every so many minutes, hours, days, weeks or months; of the last three at these times.
  package struct Recurrence: Sendable, Equatable {
    package var frequency: Frequency
    package var interval: Int
    package var hours: [Int]?
    package var minutes: [Int]?
    /// 0 is Sunday.
    package var weekDays: [Int]?
    package var monthDays: [Int]?
  }

  package enum Trigger: Sendable, Equatable {
    case recurrence(Recurrence)
    case cron(CronExpression)
  }

  package var trigger: Trigger
  /// As they were written; in the trigger's zone where they name none.
  package var startTime: String?
  package var endTime: String?
  package var zone: ScheduleZone
  /// An address in the datastore or a data asset.
  package var input: String
  package var deployment: String?

  let start: Int64?
  let end: Int64?

  private static let dayNames = [
    "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
  ]

  init(_ fields: FieldReader) throws(DocumentError) {
    var fields = fields
    input = try fields.requiredText("input")
    deployment = try fields.text("deployment_name")
    guard var trigger = try fields.fields("trigger") else {
      throw .missingField(source: fields.source, path: fields.place(of: "trigger"))
    }
    try fields.finish()
    let zoneName = try trigger.text("time_zone") ?? "UTC"
    guard let zone = ScheduleZone(zoneName) else {
      throw trigger.fault(
        "time_zone", expected: "a zone such as 'UTC', 'Europe/Berlin' or 'Pacific Standard Time'",
        .string(zoneName))
    }
    self.zone = zone
    startTime = try trigger.text("start_time")
    endTime = try trigger.text("end_time")
    start = try Self.time(startTime, "start_time", zone, trigger)
    end = try Self.time(endTime, "end_time", zone, trigger)
    switch try trigger.choice("type", of: ["recurrence", "cron"]) {
    case "cron":
      let text = try trigger.requiredText("expression")
      do throws(CronExpression.Fault) {
        self.trigger = .cron(try CronExpression(text))
      } catch {
        throw trigger.fault(
          "expression", expected: "five fields of cron ('\(text)' \(error.reason))", .string(text))
      }
    case "recurrence":
      self.trigger = .recurrence(try Self.recurrence(&trigger))
    default:
      throw .missingField(source: trigger.source, path: trigger.place(of: "type"))
    }
    try trigger.finish()
  }

  package var value: DocumentValue {
    var members = DocumentObject()
    switch trigger {
    case .cron(let cron):
      members["type"] = "cron"
      members["expression"] = .string(cron.text)
    case .recurrence(let recurrence):
      members["type"] = "recurrence"
      members["frequency"] = .string(recurrence.frequency.rawValue)
      members["interval"] = .integer(Int64(recurrence.interval))
      var times = DocumentObject()
      times["hours"] = recurrence.hours.map(Self.list)
      times["minutes"] = recurrence.minutes.map(Self.list)
      times["week_days"] = recurrence.weekDays.map {
        .array($0.map { .string(Self.dayNames[$0]) })
      }
      times["month_days"] = recurrence.monthDays.map(Self.list)
      if !times.isEmpty { members["schedule"] = .object(times) }
    }
    if let startTime { members["start_time"] = .string(startTime) }
    if let endTime { members["end_time"] = .string(endTime) }
    members["time_zone"] = .string(zone.name)
    var object = DocumentObject([
      "trigger": .object(members), "input": .string(input),
    ])
    if let deployment { object["deployment_name"] = .string(deployment) }
    return .object(object)
  }

  private static func list(_ numbers: [Int]) -> DocumentValue {
    .array(numbers.map { .integer(Int64($0)) })
  }

  // MARK: Reading

  private static func recurrence(
    _ trigger: inout FieldReader
  ) throws(DocumentError) -> Recurrence {
    guard
      let name = try trigger.choice("frequency", of: Frequency.allCases.map(\.rawValue)),
      let frequency = Frequency(rawValue: name)
    else {
      throw .missingField(source: trigger.source, path: trigger.place(of: "frequency"))
    }
    var recurrence = Recurrence(
      frequency: frequency, interval: try trigger.integer("interval", in: 1...100_000) ?? 1)
    guard var times = try trigger.fields("schedule") else { return recurrence }
    recurrence.hours = try times.numbers("hours", in: 0...23)
    recurrence.minutes = try times.numbers("minutes", in: 0...59)
    recurrence.monthDays = try times.numbers("month_days", in: 1...31)
    if let names = try times.listOrOne("week_days") {
      recurrence.weekDays = try names.map { (value) throws(DocumentError) in
        guard case .string(let name) = value, let day = dayNames.firstIndex(of: name.lowercased())
        else { throw times.fault("week_days", expected: "names of days", value) }
        return day
      }
    }
    try times.finish()
    let isOfDays = frequency != .minute && frequency != .hour
    if !isOfDays, !times.object.isEmpty {
      throw trigger.fault(
        "schedule", expected: "none: 'frequency: \(name)' has no times of day", .null)
    }
    return recurrence
  }

  /// `2026-01-31T12:00:00`, with or without seconds, `Z` or an offset.
  private static func time(
    _ text: String?, _ field: String, _ zone: ScheduleZone, _ fields: FieldReader
  ) throws(DocumentError) -> Int64? {
    guard let text else { return nil }
    guard let time = ScheduleTime.seconds(text, in: zone) else {
      throw fields.fault(field, expected: "a time like '2026-01-31T12:00:00'", .string(text))
    }
    return time
  }
}

/// Times as schedules have them.
enum ScheduleTime {
  static func seconds(_ text: String, in zone: ScheduleZone) -> Int64? {
    var rest = Substring(text)
    func number(_ count: Int) -> Int64? {
      let digits = rest.prefix(count)
      guard digits.count == count, digits.allSatisfy(\.isNumber) else { return nil }
      rest.removeFirst(count)
      return Int64(digits)
    }
    func skip(_ characters: String) -> Bool {
      guard let first = rest.first, characters.contains(first) else { return false }
      rest.removeFirst()
      return true
    }
    guard let year = number(4), skip("-"), let month = number(2), skip("-"),
      let dayOfMonth = number(2),
      let day = CivilDay(year: year, month: month, day: dayOfMonth)
    else { return nil }
    var seconds: Int64 = 0
    if !rest.isEmpty {
      guard skip("Tt "), let hour = number(2), hour < 24, skip(":"), let minute = number(2),
        minute < 60
      else { return nil }
      seconds = hour * 3600 + minute * 60
      if skip(":") {
        guard let second = number(2), second < 60 else { return nil }
        seconds += second
        if skip(".") { rest = rest.drop(while: \.isNumber) }
      }
    }
    let wall = day.number * 86_400 + seconds
    if rest.isEmpty { return zone.time(ofWallClock: wall) }
    if rest == "Z" || rest == "z" { return wall }
    let sign: Int64 = rest.first == "-" ? -1 : 1
    guard skip("+-"), let hours = number(2), hours < 24 else { return nil }
    _ = skip(":")
    guard let minutes = rest.isEmpty ? 0 : number(2), minutes < 60, rest.isEmpty else {
      return nil
    }
    return wall - sign * (hours * 3600 + minutes * 60)
  }
}

extension FieldReader {
  /// A list, or one value in its place.
  mutating func listOrOne(_ name: String) throws(DocumentError) -> [DocumentValue]? {
    switch value(name) {
    case nil: return nil
    case .array(let elements): return elements
    case let one?: return [one]
    }
  }

  mutating func numbers(
    _ name: String, in range: ClosedRange<Int>
  ) throws(DocumentError) -> [Int]? {
    guard let elements = try listOrOne(name) else { return nil }
    var numbers: [Int] = []
    for element in elements {
      guard let number = Self.integer(element), range.contains(number) else {
        throw fault(
          name, expected: "numbers from \(range.lowerBound) to \(range.upperBound)", element)
      }
      numbers.append(number)
    }
    return numbers.sorted()
  }
}
