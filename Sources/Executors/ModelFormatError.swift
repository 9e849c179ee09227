#if canImport(Glibc)
  internal import Glibc
#endif

/// Why a file is no model that we can run.
package enum ModelFormatError: Error, Equatable, CustomStringConvertible {
  /// The file is not what it says it is: where, what came, what was expected.
  case malformed(format: String, at: String, reason: String)
  /// A sound model that asks for something we do not run: what, where, and what to do.
  case unsupported(format: String, what: String, advice: String)
  case unreadable(path: String, reason: String)
  /// The system has no descriptor, or no memory, for the file now: it says nothing of the file.
  case busy(path: String, reason: String)

  package var description: String {
    switch self {
    case .malformed(let format, let place, let reason):
      "\(format), \(place): \(reason)"
    case .unsupported(let format, let what, let advice):
      advice.isEmpty ? "\(format): \(what)" : "\(format): \(what); \(advice)"
    case .unreadable(let path, let reason), .busy(let path, let reason):
      "\(path): \(reason)"
    }
  }

  /// What a failed call on a file means. `code` is `errno`, read right after the call.
  package static func system(_ code: Int32, path: String) -> ModelFormatError {
    let reason = String(cString: strerror(code))
    return [EMFILE, ENFILE, ENOMEM].contains(code)
      ? .busy(path: path, reason: reason) : .unreadable(path: path, reason: reason)
  }
}
