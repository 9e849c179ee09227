internal import Synchronization

/// An order that waits to be stored. Whoever comes to the database next stores all that wait: a
/// commit costs an fsync, however many orders it holds.
final class JobSubmission: Sendable {
  typealias Added = (job: StoredJob, isNew: Bool)

  let order: JobOrder
  let requestIdentifier: String?
  private let result = Mutex<Result<Added, BatchError>?>(nil)

  init(_ order: JobOrder, requestIdentifier: String?) {
    self.order = order
    self.requestIdentifier = requestIdentifier
  }

  func end(_ result: Result<Added, BatchError>) { self.result.withLock { $0 = result } }

  /// What became of it, once it is ended.
  func added() throws(BatchError) -> Added {
    guard let result = result.withLock({ $0 }) else {
      throw .store("job '\(order.name)' was not stored")
    }
    return try result.get()
  }
}
