/// Finds the name that somebody may have meant.
package enum NameDistance {
  /// The known name that is at most two typing errors away, or begins with `name`, or that
  /// `name` begins with; nil when none is.
  package static func nearest(to name: String, in known: [String]) -> String? {
    // A longer one is no typing error, and comparing it with thousands of names takes seconds.
    guard name.utf8.count <= 256 else { return nil }
    let wanted = Array(name.lowercased().utf8)
    var best: (name: String, distance: Int)?
    for candidate in known {
      let distance = distance(wanted, Array(candidate.lowercased().utf8))
      if distance <= 2, distance < max(wanted.count, 1), distance < best?.distance ?? 3 {
        best = (candidate, distance)
      }
    }
    if let best { return best.name }
    let lowered = name.lowercased()
    return known.first { candidate in
      lowered.count >= 3 && candidate.count >= 3
        && (candidate.lowercased().hasPrefix(lowered) || lowered.hasPrefix(candidate.lowercased()))
    }
  }

  /// Insertions, deletions, replacements and swaps of neighbours between two words
  /// (Damerau–Levenshtein, optimal string alignment).
  static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    if abs(left.count - right.count) > 2 { return 3 }
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    var row = last
    for i in 0..<left.count {
      row[0] = i + 1
      for j in 0..<right.count {
        let replaced = last[j] + (left[i] == right[j] ? 0 : 1)
        row[j + 1] = min(replaced, last[j + 1] + 1, row[j] + 1)
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
          row[j + 1] = min(row[j + 1], beforeLast[j - 1] + 1)
        }
      }
      (beforeLast, last, row) = (last, row, beforeLast)
    }
    return last[right.count]
  }
}
