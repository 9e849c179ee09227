internal import Glibc
internal import Store

/// What ends a job or a stream; a row that fails is a `RowFault`.
package enum BatchError: Error, Sendable, Equatable, CustomStringConvertible {
  case io(_ doing: String, code: Int32)
  /// A text that cannot be read at all: no header, another encoding.
  case text(file: String, reason: String)
  /// More rows failed than are allowed.
  case tooManyFaults(count: Int, limit: Int, first: String)
  case scoring(file: String, row: Int, reason: String)

  // MARK: Jobs

  /// The order cannot be taken, or not be carried out: what is wrong with it, or with a disk.
  case refused(String)
  /// Something is where the output shall appear.
  case outputExists(String)
  /// The output would lie in another one, or another one in it.
  case outputNested(String)
  case inputMissing(String)
  case unknownModel(String)
  case unknownJob(String)
  /// Another job has the name.
  case nameTaken(String)
  /// As many jobs wait as may.
  case tooManyJobs(limit: Int)
  /// An input is not what it was when the job began. `file` is its path below the input.
  case inputChanged(file: String, how: String)
  /// Rows failed, and none was scored.
  case nothingScored(count: Int, first: String)
  /// The disk, or what is left of it for us, is full.
  case noSpace(String)
  /// The system has no descriptor, or no memory, for something now.
  case busy(String)
  /// The workspace's database does not do its work.
  case store(String)
  /// What a job has written and committed does not lie there as it was.
  case outputLost(String)
  /// What the database holds of a job is not understood: a later version may have written it.
  case unreadable(String)
  /// Nothing is taken at this moment.
  case unavailable(String)
  /// The job ends, but a start before that is stored would go on with it.
  case cancelNotStored(job: String, reason: String)
  /// No fault: the job ends here, or goes on later.
  case interrupted(Interruption)

  package enum Interruption: Sendable, Equatable {
    case cancel, stop
    /// The database knows the job as ended.
    case ended
    /// A test's stand-in for the end of the process: nothing more is done.
    case crash
  }

  package var description: String {
    switch self {
    case .io(let doing, let code): "\(doing): \(String(cString: strerror(code)))"
    case .text(let file, let reason): "\(file): \(reason)"
    case .tooManyFaults(let count, let limit, let first):
      "\(count) row\(count == 1 ? "" : "s") failed, \(limit) may; the first: \(first)"
    case .scoring(let file, let row, let reason): "\(file): from row \(row) on: \(reason)"
    case .refused(let reason): reason
    case .outputExists(let place):
      "the output \(place) exists already; specify a unique output location"
    case .outputNested(let reason), .inputMissing(let reason): reason
    case .unknownModel(let reason): reason
    case .unknownJob(let name): "there is no job '\(name)'"
    case .nameTaken(let name): "a job '\(name)' exists already"
    case .tooManyJobs(let limit):
      "there are \(limit) jobs that have not ended, as many as may be; ask again when some have, or "
        + "cancel what is not needed"
    case .inputChanged(let file, let how): "InputChanged: \(file): \(how)"
    case .nothingScored(let count, let first):
      "No succeeded mini batch item returned from run(): \(count) row\(count == 1 ? "" : "s") "
        + "failed; the first: \(first)"
    case .noSpace(let place): "no space: \(place)"
    case .busy(let reason), .store(let reason), .outputLost(let reason),
      .unreadable(let reason), .unavailable(let reason):
      reason
    case .cancelNotStored(let job, let reason):
      "job '\(job)' stops, but that could not be stored (\(reason)); a gateway that is started again "
        + "before it is stored goes on with the job: cancel it again"
    case .interrupted(.ended): "the job has ended"
    case .interrupted(.cancel): "the job was canceled"
    case .interrupted(.stop), .interrupted(.crash): "the gateway stops"
    }
  }

  /// Whether a job that meets it ends as failed; one waits, or goes on later, for the others.
  var failsJob: Bool {
    switch self {
    case .interrupted, .noSpace, .busy, .store, .outputLost: false
    case .io, .text, .tooManyFaults, .scoring, .refused, .outputExists, .outputNested,
      .inputMissing, .unknownModel, .unknownJob, .nameTaken, .tooManyJobs, .inputChanged,
      .nothingScored, .unreadable, .unavailable, .cancelNotStored:
      true
    }
  }

  init(_ error: StoreError) {
    self =
      switch error {
      case .noSpace(let path): .noSpace("\(path): no space left on the device")
      // These may be had again: a job waits for them.
      case .busy: .busy("\(error)")
      case .database: .store("\(error)")
      case .unstorable, .io, .locked, .escapes, .exists: .refused("\(error)")
      }
  }

  /// What a failed system call means. `code` is `errno`, read right after the call.
  static func system(_ code: Int32, _ doing: String) -> BatchError {
    let sentence = "\(doing): \(String(cString: strerror(code)))"
    return switch code {
    case ENOSPC, EDQUOT: .noSpace(sentence)
    case EMFILE, ENFILE, ENOMEM: .busy(sentence)
    default: .io(doing, code: code)
    }
  }
}

extension DatabaseFailure where Failure == BatchError {
  var batchError: BatchError {
    switch self {
    case .store(let error): BatchError(error)
    case .body(let error): error
    }
  }
}
