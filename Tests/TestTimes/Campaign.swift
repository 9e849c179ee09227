import Foundation

/// How much of a promise is tried: its short form, or in full as `RELIABILITY.md` has it where
/// `SWERVE_CAMPAIGN` is `full`, as `loadtest/promises` sets it.
package enum Campaign {
  package static let isFull = ProcessInfo.processInfo.environment["SWERVE_CAMPAIGN"] == "full"

  package static func count(_ short: Int, full: Int) -> Int { isFull ? full : short }
}
