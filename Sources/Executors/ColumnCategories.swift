/// The categories that a column was trained with. A request may name one; the model takes its
/// code, which is its place in this list.
package struct ColumnCategories: Sendable, Equatable {
  package enum Name: Sendable, Hashable, CustomStringConvertible {
    case text(String)
    case number(Double)

    package var description: String {
      switch self {
      case .text(let text): text
      case .number(let number): Int(exactly: number).map(String.init) ?? "\(number)"
      }
    }
  }

  package let names: [Name]
  /// What a category that is not in the list is: a missing value, as in LightGBM, or an error, as
  /// in XGBoost.
  package let unknownIsMissing: Bool

  /// Why nobody knows which name has which code; names are refused then.
  package let problem: String?

  /// Whether a number beside column names is looked for among them. Where nobody knows which name has
  /// which code, a code is all that can be sent, unless it might be meant for a name.
  package var takesNames: Bool { problem == nil || hasNumbers }

  private let codes: [Name: Int]
  package let hasNumbers: Bool
  /// Whether a text among them looks like a number or a truth value, as a ZIP code does.
  package let hasNumerals: Bool

  package init(_ names: [Name], unknownIsMissing: Bool) {
    self.names = names
    self.unknownIsMissing = unknownIsMissing
    problem = nil
    codes = Dictionary(
      names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    hasNumbers = Self.hasNumbers(names)
    hasNumerals = names.contains(where: Self.isNumeral)
  }

  /// Of a column whose categories' codes the file does not tell.
  ///
  /// - Parameter candidates: Names that may be its own; numbers among them are refused too.
  init(problem: String, candidates: [Name]) {
    names = []
    unknownIsMissing = false
    self.problem = problem
    codes = [:]
    hasNumbers = Self.hasNumbers(candidates)
    hasNumerals = candidates.contains(where: Self.isNumeral)
  }

  /// Of texts that nobody reads as numbers, as `0x10`, it does no harm to say so.
  private static func isNumeral(_ name: Name) -> Bool {
    guard case .text(let text) = name else { return false }
    var word = Substring(text)
    while word.first == " " || word.first == "\t" { word.removeFirst() }
    while word.last == " " || word.last == "\t" { word.removeLast() }
    return Double(word) != nil || ["true", "false"].contains(word.lowercased())
  }

  private static func hasNumbers(_ names: [Name]) -> Bool {
    names.contains { if case .number = $0 { true } else { false } }
  }

  /// The code of the category of this name; nil when the model does not know it.
  package func code(of name: Name) -> Int? { codes[name] }

  /// The code of the category written so: as text, or as the digits of a number.
  package func code(ofText text: String) -> Int? {
    if let code = codes[.text(text)] { return code }
    guard hasNumbers, let number = Double(text) else { return nil }
    return codes[.number(number)]
  }
}
