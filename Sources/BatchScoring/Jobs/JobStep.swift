/// The moments of a job at which a test may end it, or make a call fail.
enum JobStep: Sendable, Equatable, CaseIterable {
  case begin, listed, append, appendErrors, syncOutput, syncErrors, commit, committed
  case finalizing, manifest, syncFolder, rename, renamed, complete, cleanUp
}

/// What is called at each; does nothing but in tests.
typealias JobSteps = @Sendable (JobStep) throws(BatchError) -> Void
