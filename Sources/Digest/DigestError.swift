/// Why a hash or a secret could not be had.
package enum DigestError: Error, Equatable, CustomStringConvertible {
  case unreadable(path: String, reason: String)
  /// Who wanted the hash wants it no more.
  case interrupted
  /// A sealed secret that this workspace's secret does not open.
  case sealBroken
  case library(String)

  package var description: String {
    switch self {
    case .unreadable(let path, let reason): "\(path): \(reason)"
    case .interrupted: "interrupted"
    case .sealBroken: "the sealed value does not open with this workspace's secret"
    case .library(let reason): "GnuTLS: \(reason)"
    }
  }
}
