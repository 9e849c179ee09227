import Documents
import Testing

@testable import Serving

@Suite struct BatchScheduleTests {
  private static func schedule(_ trigger: String) throws -> BatchSchedule {
    let value = try YAMLReader.read(
      "trigger: {\(trigger)}\ninput: azureml:rows@latest\n", source: "s.yml")
    let schedule = try BatchSchedule(FieldReader(value, source: "s.yml", path: "$"))
    #expect(
      try BatchSchedule(FieldReader(schedule.value, source: "again", path: "$")) == schedule)
    return schedule
  }

  private static func time(_ text: String, _ zone: String = "UTC") throws -> Int64 {
    let zone = try #require(ScheduleZone(zone))
    return try #require(ScheduleTime.seconds(text, in: zone))
  }

  /// The next runs, as UTC.
  private static func runs(
    _ trigger: String, after start: String, count: Int, anchor: String? = nil
  ) throws -> [String] {
    let schedule = try schedule(trigger)
    var time = try Self.time(start)
    let anchor = try anchor.map { try Self.time($0) } ?? time
    var texts: [String] = []
    for _ in 0..<count {
      guard let next = schedule.next(after: time, anchor: anchor) else { break }
      time = next
      let day = CivilDay(wallClock: next)
      let (parts, minutes) = (day.parts, (next - day.number * 86_400) / 60)
      func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
      texts.append(
        "\(two(parts.month))-\(two(parts.day)) \(two(minutes / 60)):\(two(minutes % 60))")
    }
    return texts
  }

  @Test func `cron runs at its minutes, hours and days`() throws {
    #expect(
      try Self.runs("type: cron, expression: '30 2 * * *'", after: "2026-01-30T02:30", count: 3)
        == ["01-31 02:30", "02-01 02:30", "02-02 02:30"])
    #expect(
      try Self.runs(
        "type: cron, expression: '*/20 9-10 * * mon-fri'", after: "2026-01-30T10:20", count: 3)
        == ["01-30 10:40", "02-02 09:00", "02-02 09:20"])
    // A leap day; and both days given: one that fits is enough.
    #expect(
      try Self.runs("type: cron, expression: '0 0 29 2 *'", after: "2026-01-01", count: 1)
        == ["02-29 00:00"])
    #expect(
      try Self.runs("type: cron, expression: '0 0 13 * 5'", after: "2026-02-01", count: 4)
        == ["02-06 00:00", "02-13 00:00", "02-20 00:00", "02-27 00:00"])
  }

  @Test func `a recurrence counts from its start, or from when it came`() throws {
    #expect(
      try Self.runs(
        "type: recurrence, frequency: hour, interval: 5", after: "2026-03-01T12:00", count: 2,
        anchor: "2026-03-01T10:30") == ["03-01 15:30", "03-01 20:30"])
    #expect(
      try Self.runs(
        "type: recurrence, frequency: day, interval: 2, start_time: '2026-03-01T06:15:00'",
        after: "2026-02-20", count: 3) == ["03-01 06:15", "03-03 06:15", "03-05 06:15"])
    #expect(
      try Self.runs(
        """
        type: recurrence, frequency: week, interval: 2, start_time: '2026-03-02T00:00:00', \
        schedule: {hours: [4, 16], minutes: 30, week_days: [monday, friday]}
        """, after: "2026-03-02", count: 5)
        == ["03-02 04:30", "03-02 16:30", "03-06 04:30", "03-06 16:30", "03-16 04:30"])
    #expect(
      try Self.runs(
        """
        type: recurrence, frequency: month, interval: 1, start_time: '2026-01-31T01:00:00', \
        end_time: '2026-05-31T01:00:00'
        """, after: "2026-01-31T01:00", count: 9) == ["03-31 01:00", "05-31 01:00"])
  }

  @Test func `a zone's clock counts, over its leaps too`() throws {
    let berlin = "type: cron, expression: '30 2 * * *', time_zone: W. Europe Standard Time"
    // On March 29 there is no 2:30; on October 25 there are two, of which the first counts.
    #expect(
      try Self.runs(berlin, after: "2026-03-27T12:00", count: 3)
        == ["03-28 01:30", "03-29 01:30", "03-30 00:30"])
    #expect(
      try Self.runs(berlin, after: "2026-10-24T12:00", count: 2)
        == ["10-25 00:30", "10-26 01:30"])
    #expect(
      try Self.time("2026-07-01T12:00:00+02:00") == Self.time("2026-07-01T12:00", "Europe/Berlin"))
  }

  @Test func `an hour that the clock repeats is run twice by what runs every so often`() throws {
    func runs(_ expression: String, _ count: Int) throws -> [String] {
      try Self.runs(
        "type: cron, expression: '\(expression)', time_zone: Europe/Berlin",
        after: "2027-10-31T00:15Z", count: count)
    }
    #expect(
      try runs("*/15 * * * *", 7) == [
        "10-31 00:30", "10-31 00:45", "10-31 01:00", "10-31 01:15", "10-31 01:30", "10-31 01:45",
        "10-31 02:00",
      ])
    #expect(try runs("30 * * * *", 3) == ["10-31 00:30", "10-31 01:30", "10-31 02:30"])
    #expect(try runs("30 2 * * *", 2) == ["10-31 00:30", "11-01 01:30"])
    #expect(try runs("30,45 2,3 * * *", 3) == ["10-31 00:30", "10-31 00:45", "10-31 02:30"])
  }

  @Test func `every zone of Windows is known`() throws {
    for (name, identifier) in WindowsZones.identifiers.sorted(by: { $0.key < $1.key }) {
      #expect(ScheduleZone(name) != nil, "\(name): \(identifier)")
    }
    for (name, time) in [
      ("Venezuela Standard Time", "2026-07-01T16:00Z"),
      ("Sri Lanka Standard Time", "2026-07-01T06:30Z"),
      ("Myanmar Standard Time", "2026-07-01T05:30Z"),
      ("Tasmania Standard Time", "2026-07-01T02:00Z"), ("UTC-11", "2026-07-01T23:00Z"),
      ("utc+12", "2026-07-01T00:00Z"), ("Mid-Atlantic Standard Time", "2026-07-01T14:00Z"),
      ("Dateline Standard Time", "2026-07-02T00:00Z"),
    ] {
      #expect(try Self.time("2026-07-01T12:00", name) == Self.time(time), "\(name)")
    }
  }

  @Test func `runs come in order where a leap turns that of their minutes`() throws {
    // On Lord Howe Island the clock leaps from 2:00 to 2:30: what is planned for 2:15 runs at 2:45.
    #expect(
      try Self.runs(
        "type: cron, expression: '15,30 2 * * *', time_zone: Australia/Lord_Howe",
        after: "2026-10-03T12:00", count: 3) == ["10-03 15:30", "10-03 15:45", "10-04 15:15"])
  }

  @Test(arguments: [
    "type: cron, expression: '*/20 1-3 * * *', time_zone: Europe/Berlin",
    "type: cron, expression: '*/20 1-3 25 oct *', time_zone: Europe/Berlin",
    "type: cron, expression: '15,30 2 * * *', time_zone: Australia/Lord_Howe",
    "type: cron, expression: '0 0 29 2 *'",
    "type: recurrence, frequency: minute, interval: 7",
    "type: recurrence, frequency: hour, interval: 5, start_time: '2026-01-02T03:04:05'",
    "type: recurrence, frequency: day, interval: 2, end_time: '2026-05-20'",
    """
    type: recurrence, frequency: week, interval: 2, start_time: '2026-03-02T00:00:00', \
    time_zone: Pacific Standard Time, schedule: {hours: [4, 16], week_days: [sunday, friday]}
    """,
    "type: recurrence, frequency: month, interval: 1, start_time: '2026-01-31T01:00:00'",
  ])
  func `the last run is the one behind which the next comes`(trigger: String) throws {
    let schedule = try Self.schedule(trigger)
    let anchor = try Self.time("2026-03-20T10:30")
    var last: Int64?
    var time = anchor
    for _ in 0..<100 {
      guard let next = schedule.next(after: time, anchor: anchor) else { break }
      #expect(schedule.last(until: next, anchor: anchor) == next)
      // Cron has runs before the schedule came, which are none of ours.
      let before = schedule.last(until: next - 1, anchor: anchor).flatMap { $0 > anchor ? $0 : nil }
      #expect(before == last)
      (last, time) = (next, next)
    }
    if schedule.endTime != nil {
      #expect(schedule.last(until: time + 86_400 * 365, anchor: anchor) == last)
    }
  }

  @Test(arguments: [
    "type: cron, expression: '* * * * *', time_zone: Europe/Berlin",
    "type: recurrence, frequency: minute, interval: 1",
  ])
  func `a year of missed minutes is caught up as fast as one`(trigger: String) throws {
    let anchor = try Self.time("2026-01-01")
    let record = ScheduleRecord(
      endpoint: "e", schedule: try Self.schedule(trigger), isPaused: false, anchor: anchor,
      doneUntil: anchor)
    let now = anchor + 365 * 86_400 + 30
    let clock = ContinuousClock()
    var due: Int64?
    let duration = clock.measure { due = record.dueRun(at: now) }
    #expect(due == now - 30)
    #expect(duration < .seconds(1), "stepping through them takes minutes")
  }

  @Test(arguments: [
    ("type: cron, expression: '0 0 * *'", "has 4 fields"),
    ("type: cron, expression: '61 0 * * *'", "the minute '61'"),
    ("type: cron, expression: '0 0 * * xyz'", "the day of the week 'xyz'"),
    ("type: cron, expression: '0 5-2 * * *'", "the range '5-2'"),
    ("type: cron", "$.trigger.expression is missing"),
    ("type: recurrence, frequency: fortnight", "is 'fortnight'"),
    ("type: recurrence, frequency: day, interval: 0", "is 0"),
    ("type: recurrence, frequency: hour, schedule: {hours: [1]}", "has no times of day"),
    ("type: recurrence, frequency: week, schedule: {week_days: [mo]}", "names of days"),
    ("type: cron, expression: '0 0 * * *', time_zone: Mars", "is 'Mars'"),
    ("type: cron, expression: '0 0 * * *', start_time: '2026-02-30'", "is '2026-02-30'"),
    ("type: cron, expresion: '0 0 * * *'", "$.trigger.expression is missing"),
    ("frequency: day", "$.trigger.type is missing"),
  ])
  func `what is no schedule is named`(trigger: String, words: String) throws {
    let error = try #require(throws: DocumentError.self) { try Self.schedule(trigger) }
    #expect(error.description.contains(words), "\(error)")
  }

  @Test func `every day of four hundred years has its number`() {
    var number = CivilDay(year: 1970, month: 1, day: 1)?.number ?? -1
    #expect(number == 0)
    for year in Int64(1970)..<2370 {
      for month in Int64(1)...12 {
        for day in Int64(1)...31 {
          guard let found = CivilDay(year: year, month: month, day: day) else { continue }
          if found.number != number { Issue.record("\(year)-\(month)-\(day)") }
          number += 1
        }
      }
    }
    #expect(number == 146_097)
    #expect(CivilDay(year: 2026, month: 11, day: 21)?.weekday == 6)
  }
}
