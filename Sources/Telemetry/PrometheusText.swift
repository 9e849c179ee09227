/// Writes metrics in the Prometheus text format, version 0.0.4.
///
/// Source: https://prometheus.io/docs/instrumenting/exposition_formats/
struct PrometheusText {
  private(set) var bytes: [UInt8] = []

  /// HELP and TYPE once, then every series of the name in the order of its labels.
  mutating func append(_ family: MetricFamily, name: String) {
    append("# HELP \(name) \(Self.escaped(family.help, quotesToo: false))\n")
    append("# TYPE \(name) \(family.kind.rawValue)\n")
    let series = family.series
      .map { labels, metric in (text: Self.text(of: labels), metric: metric) }
      .sorted { $0.text < $1.text }
    for (labels, metric) in series {
      switch metric {
      case .counter(let counter): append(name, labels, String(counter.value))
      case .gauge(let gauge): append(name, labels, String(gauge.value))
      case .histogram(let histogram): append(histogram, name: name, labels: labels)
      }
    }
  }

  private mutating func append(_ histogram: Histogram, name: String, labels: String) {
    func text(_ number: UInt64) -> String {
      histogram.kind == .durations ? Self.seconds(number) : String(number)
    }
    let snapshot = histogram.snapshot
    let prefix = labels.isEmpty ? "" : labels + ","
    let bounds = histogram.bounds.map(text) + ["+Inf"]
    for (bound, count) in zip(bounds, snapshot.cumulativeCounts) {
      append(name + "_bucket", "\(prefix)le=\"\(bound)\"", String(count))
    }
    append(name + "_sum", labels, text(snapshot.sumNanoseconds))
    append(name + "_count", labels, String(snapshot.count))
  }

  private mutating func append(_ name: String, _ labels: String, _ value: String) {
    append(labels.isEmpty ? "\(name) \(value)\n" : "\(name){\(labels)} \(value)\n")
  }

  private mutating func append(_ text: String) {
    bytes.append(contentsOf: text.utf8)
  }

  /// Nanoseconds as an exact decimal of seconds: `50_000` gives `0.00005`.
  static func seconds(_ nanoseconds: UInt64) -> String {
    let whole = String(nanoseconds / 1_000_000_000)
    let rest = nanoseconds % 1_000_000_000
    if rest == 0 { return whole }
    // The added billion keeps the leading zeros; its own digit is dropped again.
    var digits = String(rest + 1_000_000_000).dropFirst()
    while digits.last == "0" { digits.removeLast() }
    return "\(whole).\(digits)"
  }

  static func text(of labels: MetricLabels) -> String {
    labels.ordered
      .map { "\($0.name)=\"\(escaped($0.value, quotesToo: true))\"" }
      .joined(separator: ",")
  }

  static func escaped(_ text: String, quotesToo: Bool) -> String {
    var escaped = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\"" where quotesToo: escaped += "\\\""
      default: escaped.unicodeScalars.append(scalar)
      }
    }
    return escaped
  }

  static func isName(_ text: String, colonAllowed: Bool) -> Bool {
    guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first)
    else { return false }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      case UInt8(ascii: ":"): colonAllowed
      default: false
      }
    }
  }
}
