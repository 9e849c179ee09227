// When a schedule runs. Its runs are times in one order, of which the next is looked for forwards and
// the last backwards, day by day: nothing steps from run to run, so that a schedule of every minute
// costs the same after a year as after an hour.

extension BatchSchedule {
  /// The first run behind `time`, in seconds since 1970; nil when there is none any more.
  ///
  /// - Parameter anchor: What intervals count from where there is no `start_time`: when the schedule
  ///   came.
  package func next(after time: Int64, anchor: Int64) -> Int64? {
    guard let next = runs(anchor: anchor).next(after: time, in: zone) else { return nil }
    return end.map { next <= $0 } ?? true ? next : nil
  }

  /// The last run at `time` or before; nil when there was none.
  package func last(until time: Int64, anchor: Int64) -> Int64? {
    runs(anchor: anchor).last(until: min(time, end ?? time), in: zone)
  }

  /// What no day ever fits, such as the 31st of February: nil where one does.
  func impossibleDays(anchor: Int64) -> String? {
    guard runs(anchor: anchor).next(after: (start ?? anchor) - 1, in: zone) == nil else {
      return nil
    }
    return switch trigger {
    case .cron(let cron): "the expression '\(cron.text)'"
    case .recurrence: "the recurrence's days"
    }
  }

  private func runs(anchor: Int64) -> ScheduleRuns {
    let first = start ?? anchor
    switch trigger {
    case .cron(let cron):
      return .days(
        from: start, minutes: cron.hours.flatMap { hour in cron.minutes.map { hour * 60 + $0 } },
        isRepeated: cron.isRepeated, fit: cron.fits)
    case .recurrence(let recurrence):
      switch recurrence.frequency {
      case .minute: return .steps(from: first, seconds: Int64(recurrence.interval) * 60)
      case .hour: return .steps(from: first, seconds: Int64(recurrence.interval) * 3600)
      case .day, .week, .month: break
      }
      let wall = zone.wallClock(at: first)
      let firstDay = CivilDay(wallClock: wall)
      let minuteOfDay = Int((wall - firstDay.number * 86_400) / 60)
      let hours = recurrence.hours ?? [minuteOfDay / 60]
      let minutes = recurrence.minutes ?? [recurrence.hours == nil ? minuteOfDay % 60 : 0]
      return .days(
        from: first, minutes: hours.flatMap { hour in minutes.map { hour * 60 + $0 } },
        isRepeated: false,
        fit: { recurrence.fits($0, first: firstDay) })
    }
  }
}

/// The runs of a schedule, all of them, as a rule.
private enum ScheduleRuns {
  /// The first run, and one every so many seconds.
  case steps(from: Int64, seconds: Int64)
  /// At these minutes of the days that fit; none before `from`. Repeated: each time that a clock
  /// which goes back shows them.
  case days(from: Int64?, minutes: [Int], isRepeated: Bool, fit: (CivilDay) -> Bool)

  /// Days that are looked through for a run: the 29th of February of the next leap year but one is
  /// within.
  private static let maxDays = 366 * 9

  func next(after time: Int64, in zone: ScheduleZone) -> Int64? {
    switch self {
    case .steps(let first, let step):
      return time < first ? first : first + ((time - first) / step + 1) * step
    case .days(let first, let minutes, let isRepeated, let fits):
      let time = first.map { max(time, $0 - 1) } ?? time
      // A leap of the clock may bring a run of the day before behind `time`.
      var day = CivilDay(number: CivilDay(wallClock: zone.wallClock(at: time)).number - 1)
      for _ in 0..<Self.maxDays {
        if fits(day),
          let found = zone.times(of: day, atMinutes: minutes, isRepeated: isRepeated)
            .first(where: { $0 > time })
        {
          return found
        }
        day.number += 1
      }
      return nil
    }
  }

  func last(until time: Int64, in zone: ScheduleZone) -> Int64? {
    switch self {
    case .steps(let first, let step):
      return time < first ? nil : first + (time - first) / step * step
    case .days(let first, let minutes, let isRepeated, let fits):
      if let first, time < first { return nil }
      // A leap of the clock may bring a run of the day behind before `time`.
      var day = CivilDay(number: CivilDay(wallClock: zone.wallClock(at: time)).number + 1)
      for _ in 0..<Self.maxDays {
        if fits(day),
          let found = zone.times(of: day, atMinutes: minutes, isRepeated: isRepeated)
            .last(where: { $0 <= time })
        {
          return first.map { found >= $0 } ?? true ? found : nil
        }
        day.number -= 1
      }
      return nil
    }
  }
}

extension BatchSchedule.Recurrence {
  func fits(_ day: CivilDay, first: CivilDay) -> Bool {
    let (parts, firstParts) = (day.parts, first.parts)
    let interval = Int64(interval)
    switch frequency {
    case .minute, .hour:
      return false
    case .day:
      guard (day.number - first.number) % interval == 0 else { return false }
    case .week:
      guard (day.week - first.week) % interval == 0 else { return false }
      if weekDays == nil && monthDays == nil { return day.weekday == first.weekday }
    case .month:
      let months = (parts.year - firstParts.year) * 12 + parts.month - firstParts.month
      guard months % interval == 0 else { return false }
      if weekDays == nil && monthDays == nil { return parts.day == firstParts.day }
    }
    if let weekDays, !weekDays.contains(day.weekday) { return false }
    if let monthDays, !monthDays.contains(Int(parts.day)) { return false }
    return true
  }
}
