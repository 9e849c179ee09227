/// What waits for one deployment, in the order of its coming.
struct QueueLane {
  private(set) var calls: [QueuedCall] = []
  /// Calls before this index have left.
  private(set) var head = 0
  private(set) var load = QueuePolicy.Load()
  /// Nanoseconds that what waits is expected to run.
  private(set) var waitingNanoseconds: UInt64 = 0
  /// nil: one call at a time.
  let policy: BatchPolicy?

  init(policy: BatchPolicy?) { self.policy = policy }

  var count: Int { calls.count - head }
  var waiting: ArraySlice<QueuedCall> { calls[head...] }

  mutating func append(_ call: QueuedCall) {
    calls.append(call)
    load.requests += 1
    load.rows += call.demand.rows
    load.bytes += call.demand.bytes
    waitingNanoseconds &+= call.demand.run
  }

  /// What an idle thread does with the lane.
  func action(now: UInt64) -> BatchPolicy.Action {
    guard head < calls.count else { return .sleep }
    guard let policy else { return .run }
    let queued = calls[head].queued
    return policy.action(waitingRows: load.rows, oldestAge: now > queued ? now - queued : 0)
  }

  /// The next batch: one call, or as many as the policy lets go together.
  mutating func takeBatch() -> [QueuedCall] {
    guard head < calls.count else { return [] }
    let first = head
    var rows = 0
    repeat {
      let call = calls[head]
      if let policy, !policy.takes(rows: call.demand.rows, into: rows) { break }
      rows += call.demand.rows
      leave(call)
    } while policy != nil && head < calls.count
    defer { compact() }
    return Array(calls[first..<head])
  }

  /// When the first of those that wait must have been started; nil when nobody waits.
  var nextStartBy: UInt64? { head < calls.count ? calls[head].startBy : nil }

  /// Takes out those at the head whose time is over. One deployment's calls all have the same
  /// time, so those behind come to theirs later.
  mutating func removeExpired(now: UInt64) -> [QueuedCall] {
    let first = head
    while head < calls.count, calls[head].startBy <= now { leave(calls[head]) }
    if first == head { return [] }
    defer { compact() }
    return Array(calls[first..<head])
  }

  private mutating func leave(_ call: QueuedCall) {
    head += 1
    load.requests -= 1
    load.rows -= call.demand.rows
    load.bytes -= call.demand.bytes
    waitingNanoseconds &-= call.demand.run
  }

  /// Moves what is left to the front now and then, so that old calls are let go.
  private mutating func compact() {
    guard head > 32, head * 2 > calls.count else { return }
    calls.removeFirst(head)
    head = 0
  }
}
