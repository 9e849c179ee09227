internal import Glibc

/// What ends a job or a stream; a row that fails is a `RowFault`.
package enum BatchError: Error, Sendable, CustomStringConvertible {
  case io(_ doing: String, code: Int32)
  /// A text that cannot be read at all: no header, another encoding.
  case text(file: String, reason: String)
  /// More rows failed than are allowed.
  case tooManyFaults(count: Int, limit: Int, first: String)
  case scoring(file: String, row: Int, reason: String)

  package var description: String {
    switch self {
    case .io(let doing, let code): "\(doing): \(String(cString: strerror(code)))"
    case .text(let file, let reason): "\(file): \(reason)"
    case .tooManyFaults(let count, let limit, let first):
      "\(count) row\(count == 1 ? "" : "s") failed, \(limit) may; the first: \(first)"
    case .scoring(let file, let row, let reason): "\(file): from row \(row) on: \(reason)"
    }
  }
}
