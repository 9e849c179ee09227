/// The moments of a job at which a test may end it, or make a call fail.
enum JobStep: Sendable, Equatable, CaseIterable {
  case begin, listed, append, appendErrors, syncOutput, syncErrors, syncNames
  case commit, committed
  case finalizing, manifest, syncFolder, rename, renamed, syncOutputName, complete
  case cleanUp
  /// A job that waits looks whether it may go on.
  case look
}

/// What is called at each; does nothing but in tests.
typealias JobSteps = @Sendable (JobStep) throws(BatchError) -> Void
