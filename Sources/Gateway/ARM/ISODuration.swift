/// ISO 8601 durations as Azure's bodies hold them: `PT5S`, `PT0.5S`, `PT1M30S`, `PT1H`.
enum ISODuration {
  static func text(milliseconds: Int) -> String {
    let rest = milliseconds % 1000
    if rest == 0 { return "PT\(milliseconds / 1000)S" }
    var digits = String(1000 + rest).dropFirst()
    while digits.last == "0" { digits.removeLast() }
    return "PT\(milliseconds / 1000).\(digits)S"
  }

  /// Milliseconds; nil when the text is no duration of days, hours, minutes and seconds.
  static func milliseconds(_ text: String) -> Int? {
    var rest = Substring(text)
    guard rest.first == "P" else { return nil }
    rest.removeFirst()
    var total = 0.0
    var isTime = false
    var seen = false
    while let first = rest.first {
      if first == "T" {
        guard !isTime else { return nil }
        isTime = true
        rest.removeFirst()
        continue
      }
      let number = rest.prefix { $0.isNumber || $0 == "." }
      guard let value = Double(number), let unit = rest.dropFirst(number.count).first else {
        return nil
      }
      switch (unit, isTime) {
      case ("D", false): total += value * 86_400_000
      case ("H", true): total += value * 3_600_000
      case ("M", true): total += value * 60_000
      case ("S", true): total += value * 1000
      default: return nil
      }
      seen = true
      rest = rest.dropFirst(number.count + 1)
    }
    guard seen, total < 1e15 else { return nil }
    return Int(total.rounded())
  }
}
