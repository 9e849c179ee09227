internal import Synchronization
internal import Telemetry

/// What a deployment has answered so far, as the Open Inference Protocol's statistics tell it.
package struct DeploymentStatistics: Sendable, Equatable {
  /// What was answered of requests with so many rows.
  package struct Batch: Sendable, Equatable {
    package var rows: UInt64
    package var count: UInt64 = 0
    package var decodeNanoseconds: UInt64 = 0
    package var executeNanoseconds: UInt64 = 0
    package var encodeNanoseconds: UInt64 = 0
  }

  package var successCount: UInt64 = 0
  package var failureCount: UInt64 = 0
  package var failureNanoseconds: UInt64 = 0
  package var queueNanoseconds: UInt64 = 0
  /// Milliseconds since 1970; 0: never.
  package var lastAnswerMilliseconds: Int64 = 0
  /// In order of their rows. What went beyond `BatchCounts.maxSizes` stands under 0 rows.
  package var batches: [Batch] = []

  /// Rows of all answers together.
  package var rowCount: UInt64 = 0

  /// Runs of the model that an answer was made of.
  package var executionCount: UInt64 { batches.reduce(0) { $0 &+ $1.count } }

  /// Nanoseconds of all answers together. A run for several requests counts for each of them, as
  /// each has waited for the whole of it.
  package var decodeNanoseconds: UInt64 = 0
  package var executeNanoseconds: UInt64 = 0
  package var encodeNanoseconds: UInt64 = 0
}

/// Answers by the number of their rows. One row, which is nearly all of them, takes no lock.
final class BatchCounts: Sendable {
  /// Numbers of rows that are told apart.
  static let maxSizes = 256

  /// Of answers of one row: how many, and the nanoseconds of each stage.
  private let single = ThreadShards(width: 4)
  private let others = Mutex<[UInt64: DeploymentStatistics.Batch]>([:])
  private let rowCount = Atomic<UInt64>(0)
  /// Nanoseconds of each stage that requests of joined runs took, less those of the runs; wraps.
  private let joined = ThreadShards(width: 3)

  /// Rows of all answers together.
  private var rows: UInt64 {
    rowCount.load(ordering: .relaxed) &+ single.sum(at: 0)
  }

  /// Counts an answer, and the run that it was made of unless it had that with others.
  func record(_ times: ScoringTimes) {
    if times.batchRows > 0 {
      rowCount.wrappingAdd(times.rows, ordering: .relaxed)
      joined.add(times.decode, at: 0)
      joined.add(times.execute, at: 1)
      joined.add(times.encode, at: 2)
      return
    }
    if times.rows != 1 { rowCount.wrappingAdd(times.rows, ordering: .relaxed) }
    recordRun(times)
  }

  /// Counts a run for several requests, whose own records count their rows and times.
  func recordJoinedRun(_ times: ScoringTimes) {
    recordRun(times)
    joined.add(0 &- times.decode, at: 0)
    joined.add(0 &- times.execute, at: 1)
    joined.add(0 &- times.encode, at: 2)
  }

  /// Puts in what was counted so far.
  func tell(_ statistics: inout DeploymentStatistics) {
    // Before the runs: what is taken away here has been added there.
    let excess = (0..<3).map { joined.sum(at: $0) }
    let runs = all
    func sum(_ stage: Int, _ nanoseconds: (DeploymentStatistics.Batch) -> UInt64) -> UInt64 {
      runs.reduce(excess[stage]) { $0 &+ nanoseconds($1) }
    }
    statistics.batches = runs
    statistics.rowCount = rows
    statistics.decodeNanoseconds = sum(0, \.decodeNanoseconds)
    statistics.executeNanoseconds = sum(1, \.executeNanoseconds)
    statistics.encodeNanoseconds = sum(2, \.encodeNanoseconds)
  }

  /// Counts a run of the model, without its rows.
  private func recordRun(_ times: ScoringTimes) {
    if times.rows == 1 {
      single.add(1, at: 0)
      single.add(times.decode, at: 1)
      single.add(times.execute, at: 2)
      single.add(times.encode, at: 3)
      return
    }
    others.withLock { batches in
      let isKnown = batches[times.rows] != nil || batches.count < Self.maxSizes
      let rows = isKnown ? times.rows : 0
      var batch = batches[rows] ?? DeploymentStatistics.Batch(rows: rows)
      batch.count += 1
      batch.decodeNanoseconds &+= times.decode
      batch.executeNanoseconds &+= times.execute
      batch.encodeNanoseconds &+= times.encode
      batches[rows] = batch
    }
  }

  private var all: [DeploymentStatistics.Batch] {
    var all = others.withLock { Array($0.values) }
    let single = DeploymentStatistics.Batch(
      rows: 1, count: single.sum(at: 0), decodeNanoseconds: single.sum(at: 1),
      executeNanoseconds: single.sum(at: 2), encodeNanoseconds: single.sum(at: 3))
    if single.count > 0 { all.append(single) }
    return all.sorted { $0.rows < $1.rows }
  }
}
