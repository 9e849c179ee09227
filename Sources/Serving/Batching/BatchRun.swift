internal import Executors
internal import Telemetry
internal import Tensors

/// The requests of one deployment that left its queue together: read, joined, run, and given
/// their answers, on the calling thread.
///
/// Whatever goes wrong with one of them is its own: a body that is no good never joins, and where
/// the joined rows do not run each request runs alone.
struct BatchRun {
  let deployment: LiveDeployment
  let policy: BatchPolicy
  let queuePolicy: QueuePolicy
  let clock: MonotonicClock

  /// A request that is read and may run.
  private struct Member {
    var call: QueuedCall
    var prepared: PreparedRequest
    var layout: BatchLayout?
    var rows: Int
    /// Of its body, without its content coding.
    var byteCount: Int
    var times: ScoringTimes
  }

  /// Bodies that are held decoded at the same time. What a body holds is known when it is read
  /// and not before: compressed ones say what they like of themselves.
  static let maxBytesAtOnce = 32 << 20

  /// What a thread keeps from one batch to the next.
  final class Memory {
    var joined: [Tensor?] = []
    static let maxKeptBytes = 16 << 20

    /// A large batch's memory goes with it.
    func trim() {
      let kept = joined.reduce(0) { $0 + ($1?.ownedByteCount ?? 0) }
      if kept > Memory.maxKeptBytes { joined = [] }
    }
  }

  /// - Returns: Nanoseconds that those which were not dropped were expected to take.
  func callAsFunction(_ calls: [QueuedCall], memory: Memory) -> UInt64 {
    let scratch = deployment.scratches.take()
    defer {
      deployment.scratches.give(back: scratch)
      memory.trim()
    }
    var waiting = calls[...]
    var expected: UInt64 = 0
    while !waiting.isEmpty {
      var members: [Member] = []
      var rows = 0
      var byteCount = 0
      while rows < policy.maxBatchRows, byteCount < Self.maxBytesAtOnce,
        let call = waiting.popFirst()
      {
        guard let member = prepared(call) else { continue }
        members.append(member)
        rows += member.rows
        byteCount += member.byteCount
        expected &+= deployment.runTime(of: call, bodyByteCount: member.byteCount)
      }
      run(members, scratch: scratch, memory: memory)
    }
    return expected
  }

  /// One layout after the other; nearly always there is only one.
  private func run(_ all: [Member], scratch: ScoringScratch, memory: Memory) {
    var members = all
    while let first = members.first {
      var batch: [Member] = []
      var rest: [Member] = []
      var rows = 0
      for member in members {
        let fits =
          batch.isEmpty
          || (member.layout != nil && member.layout == first.layout
            && policy.takes(rows: member.rows, into: rows))
        if fits {
          batch.append(member)
          rows += member.rows
        } else {
          rest.append(member)
        }
      }
      runTogether(batch, scratch: scratch, memory: memory)
      members = rest
    }
  }

  /// Drops what is over, and reads the rest.
  private func prepared(_ call: QueuedCall) -> Member? {
    let started = clock.now()
    var times = ScoringTimes()
    times.queue = started &- call.queued
    guard call.mayRun(queuePolicy, now: started, startBy: call.startBy) else { return nil }
    let prepared: PreparedRequest
    let byteCount: Int
    do throws(ScoringError) {
      let caller = call.caller
      if call.isPacked { try caller.unpack() }
      byteCount = caller.body.count
      prepared = try deployment.scorer.prepare(caller.body, form: call.form)
      caller.discardUnpacked()
    } catch {
      call.answer(.failure(error), times: times)
      return nil
    }
    times.decode = clock.now() &- started
    let layout = BatchLayout(prepared.inputs, outputs: prepared.outputs)
    let rows = Int(deployment.scorer.rowCount(prepared.inputs))
    times.rows = UInt64(rows)
    return Member(
      call: call, prepared: prepared, layout: layout, rows: rows, byteCount: byteCount,
      times: times)
  }

  private func runTogether(_ batch: [Member], scratch: ScoringScratch, memory: Memory) {
    // Whoever's time ended while the others were read is not run either.
    let now = clock.now()
    let batch = batch.filter { mayGoOn($0, now: now) }
    guard batch.count > 1 else {
      for member in batch { runAlone(member, scratch: scratch) }
      return
    }
    let rows = batch.reduce(0) { $0 + $1.rows }
    let values: [ModelValue]
    var parts: [[ModelValue]] = []
    do throws(ExecutorError) {
      BatchAssembly.join(batch.map(\.prepared.inputs), into: &memory.joined)
      // The others' work goes on where one member's time ends: the watch answers that one.
      scratch.executor.deadline = batch.map(\.call.deadline).max() ?? .max
      values = try deployment.scorer.executor.predict(
        memory.joined, outputs: batch[0].prepared.outputs, scratch: scratch.executor)
      var start = 0
      for member in batch {
        let range = start..<start + member.rows
        guard let part = BatchAssembly.rows(range, of: values, total: rows) else {
          throw .failed(node: "batch", reason: "an output has not as many rows as the inputs")
        }
        parts.append(part)
        start = range.upperBound
      }
    } catch {
      deployment.metrics.countRetry()
      for member in batch { runAlone(member, scratch: scratch) }
      return
    }
    let execute = clock.now() &- now
    var decode: UInt64 = 0
    var encode: UInt64 = 0
    for (place, member) in batch.enumerated() {
      var times = member.times
      times.execute = execute
      times.batchRows = UInt64(rows)
      decode &+= times.decode
      answer(member, parts[place], times: &times)
      encode &+= times.encode
    }
    deployment.metrics.countBatch(
      rows: UInt64(rows), decode: decode, execute: execute, encode: encode)
  }

  private func mayGoOn(_ member: Member, now: UInt64) -> Bool {
    member.call.mayRun(queuePolicy, now: now, startBy: member.call.deadline)
  }

  private func runAlone(_ member: Member, scratch: ScoringScratch) {
    let started = clock.now()
    guard mayGoOn(member, now: started) else { return }
    var times = member.times
    scratch.executor.deadline = member.call.deadline
    do throws(ScoringError) {
      let values = try deployment.scorer.predict(
        member.prepared.inputs, outputs: member.prepared.outputs, scratch: scratch.executor)
      times.execute = clock.now() &- started
      deployment.metrics.countRun(rows: times.rows)
      answer(member, values, times: &times)
    } catch .executor(.deadlinePassed) {
      member.call.expire(now: clock.now())
    } catch {
      member.call.answer(.failure(error), times: times)
    }
  }

  private func answer(_ member: Member, _ values: [ModelValue], times: inout ScoringTimes) {
    let started = clock.now()
    if started >= member.call.deadline { return member.call.expire(now: started) }
    do throws(ScoringError) {
      let body = try deployment.scorer.encode(
        values, member.prepared, form: member.call.form, deadline: member.call.deadline)
      times.encode = clock.now() &- started
      member.call.answer(.success(body), times: times)
    } catch .executor(.deadlinePassed) {
      member.call.expire(now: clock.now())
    } catch {
      member.call.answer(.failure(error), times: times)
    }
  }
}
