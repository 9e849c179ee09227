/// What a mirror may hold. Holds no clock and no lock.
struct MirrorPolicy: Sendable, Equatable {
  /// Copies that wait at most. Default 64.
  var maxWaiting = 64
  /// Bytes of bodies that wait at most. Default 32 MiB.
  var maxWaitingBytes = 32 << 20

  /// Whether one more copy fits, given what waits with it.
  func takes(waiting: Int, bytes: Int) -> Bool {
    waiting <= maxWaiting && bytes <= maxWaitingBytes
  }

  /// Whether a copy has waited so long that its request's time would be over: who cannot keep up
  /// scores what is new.
  func isStale(waited: UInt64, timeLimit: UInt64) -> Bool { waited > timeLimit }
}
