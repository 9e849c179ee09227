internal import Store

/// Chooses files below a folder: `*` and `?` stay within a name, `**` is any number of folders.
///
/// A name that begins with `.` or `_` is matched only by a part that begins so too.
struct GlobPattern: Sendable, Equatable {
  private let parts: [[UInt8]]

  /// No path that the system takes is longer; every file's name is compared with all parts.
  private static let maxBytes = 4096
  private static let maxParts = 64

  /// - Throws: `.refused` for a pattern that is too long.
  init(_ pattern: String) throws(BatchError) {
    guard pattern.utf8.count <= Self.maxBytes else {
      throw .refused(
        "glob '\(pattern.prefix(40))…' has \(pattern.utf8.count) bytes; \(Self.maxBytes) may be")
    }
    parts = pathParts(pattern).filter { !$0.isEmpty && $0 != "." }.map { Array($0.utf8) }
    guard parts.count <= Self.maxParts else {
      throw .refused(
        "glob '\(pattern.prefix(40))…' has \(parts.count) parts; \(Self.maxParts) may be")
    }
  }

  /// - Parameter path: Relative, without empty parts.
  func matches(_ path: String) -> Bool {
    let names = pathParts(path).map { Array($0.utf8) }
    return reached(names)[parts.count]
  }

  /// Whether something below the folder `path` may match.
  func mayMatch(below path: String) -> Bool {
    let reached = reached(pathParts(path).map { Array($0.utf8) })
    return reached.dropLast().contains(true)
      || (reached[parts.count] && parts.last == Self.anyFolders)
  }

  private static let anyFolders = Array("**".utf8)

  /// For each number of the pattern's parts: whether so many match all the names.
  private func reached(_ names: [[UInt8]]) -> [Bool] {
    var last = [Bool](repeating: false, count: parts.count + 1)
    for count in 0...names.count {
      var row = [Bool](repeating: false, count: parts.count + 1)
      row[0] = count == 0
      for (index, part) in parts.enumerated() {
        if part == Self.anyFolders {
          row[index + 1] =
            row[index] || (count > 0 && last[index + 1] && !Self.isHidden(names[count - 1]))
        } else {
          row[index + 1] = count > 0 && last[index] && Self.matchesName(part, names[count - 1])
        }
      }
      last = row
    }
    return last
  }

  static func isHidden(_ name: [UInt8]) -> Bool {
    name.first == UInt8(ascii: ".") || name.first == UInt8(ascii: "_")
  }

  /// Linear: after a mismatch only the last `*` takes more.
  private static func matchesName(_ part: [UInt8], _ name: [UInt8]) -> Bool {
    if isHidden(name), part.first != name.first { return false }
    var (place, index) = (0, 0)
    var star: (place: Int, index: Int)?
    while index < name.count {
      if place < part.count, part[place] == UInt8(ascii: "*") {
        star = (place, index)
        place += 1
      } else if place < part.count, part[place] == UInt8(ascii: "?") || part[place] == name[index] {
        place += 1
        index += 1
      } else if let last = star {
        place = last.place + 1
        index = last.index + 1
        star = (last.place, last.index + 1)
      } else {
        return false
      }
    }
    return part[place...].allSatisfy { $0 == UInt8(ascii: "*") }
  }
}
