internal import Executors
internal import Telemetry
internal import Tensors

#if canImport(Glibc)
  internal import Glibc
#endif

/// The first requests of a deployment, before any caller's: they prove that it answers what it
/// should, touch its memory, and measure what a request costs.
package enum WarmUp {
  /// `sample-request.json` and `sample-response.json` of a package; nil where absent.
  package struct Sample: Sendable {
    package var request: [UInt8]?
    package var response: [UInt8]?

    package init(request: [UInt8]? = nil, response: [UInt8]? = nil) {
      self.request = request
      self.response = response
    }

    package init(package folder: String) throws(DeploymentFailure) {
      request = try readSample(folder + "/sample-request.json")
      response = try readSample(folder + "/sample-response.json")
    }
  }

  /// Nanoseconds spent on measuring, and how often at most: start-up time is precious.
  private static let maxMeasuringNanoseconds: UInt64 = 5_000_000
  private static let maxRuns = 8

  static func run(
    _ scorer: Scorer, sample: Sample, tolerance: AnswerTolerance
  ) throws(DeploymentFailure) -> CostEstimate {
    let scratch = ScoringScratch(scorer.executor.makeScratch())
    guard let request = sample.request else { return probe(scorer, scratch) }
    let answer: [UInt8]
    var times = ScoringTimes()
    do {
      answer = try scorer.score(
        request.span, form: .score, scratch: scratch, started: scorer.clock.now(), times: &times)
    } catch {
      throw DeploymentFailure(
        code: "BadArgument", message: "warming up on sample-request.json: \(reason(of: error))")
    }
    if let expected = sample.response,
      let difference = firstDifference(
        expected: expected, received: answer, tolerance: tolerance)
    {
      throw DeploymentFailure(
        code: "BadArgument",
        message: "the model does not answer what sample-response.json says: \(difference)")
    }
    let nanoseconds = fastest(scorer) {
      var times = ScoringTimes()
      // The same has just been answered: only its time is of interest.
      _ = try? scorer.score(
        request.span, form: .score, scratch: scratch, started: scorer.clock.now(), times: &times)
    }
    return CostEstimate(
      nanoseconds: nanoseconds, bodyByteCount: request.count, rows: max(Int(times.rows), 1),
      rowByteCount: rowByteCount(scorer.signature))
  }

  /// Bytes of one row of all inputs; nil where a row's size is not fixed.
  private static func rowByteCount(_ signature: ModelSignature) -> Int? {
    var count = 0
    for input in signature.inputs {
      guard input.elementType != .string, case nil? = input.shape.first else { return nil }
      var dimensions = [1]
      for size in input.shape.dropFirst() {
        guard let size else { return nil }
        dimensions.append(size)
      }
      guard let shape = try? Shape(checking: dimensions) else { return nil }
      count += shape.elementCount * input.elementType.byteSize
    }
    return count > 0 ? count : nil
  }

  /// Why the model's requests are not joined into batches; nil when they may be. Tries it, where
  /// there is a request to try it with.
  static func joinFault(_ scorer: Scorer, sample: Sample) -> String? {
    if let reason = JoinRule.reason(
      scorer.signature, batchDependentNodes: scorer.executor.batchDependentNodes)
    {
      return reason
    }
    guard let inputs = trialInputs(scorer, sample: sample) else {
      return "nothing tells whether its rows depend on each other: its dimensions do not say what "
        + "a row is; add sample-request.json to the package"
    }
    return JoinRule.difference(
      scorer.executor, inputs: inputs, outputs: scorer.outputs, clock: scorer.clock)
  }

  /// Rows that the model takes: the sample's, or zeros.
  private static func trialInputs(_ scorer: Scorer, sample: Sample) -> [Tensor?]? {
    if let request = sample.request {
      return try? scorer.prepare(request.span, form: .score).inputs
    }
    if let inputs = probeInputs(scorer.signature) { return inputs }
    // Words of a text, pixels of an image: what is free is tried in a few sizes.
    let scratch = scorer.executor.makeScratch()
    for size in [8, 1, 16, 32, 64, 224] {
      guard let inputs = probeInputs(scorer.signature, freeSize: size) else { continue }
      scratch.deadline = scorer.clock.now() &+ maxTrialNanoseconds
      let answers = try? scorer.executor.predict(
        inputs, outputs: scorer.outputs, scratch: scratch)
      if answers != nil { return inputs }
    }
    return nil
  }

  private static let maxTrialNanoseconds: UInt64 = 1_000_000_000

  /// One row of zeros; nil where the model's dimensions do not say what a row is.
  ///
  /// - Parameter freeSize: Of dimensions that the model leaves free.
  private static func probeInputs(
    _ signature: ModelSignature, freeSize: Int? = nil
  ) -> [Tensor?]? {
    var inputs: [Tensor?] = []
    for input in signature.inputs {
      var dimensions: [Int] = []
      for (axis, size) in input.shape.enumerated() {
        guard let size = size ?? (axis == 0 ? 1 : freeSize) else { return nil }
        dimensions.append(size)
      }
      guard let shape = try? Shape(checking: dimensions), shape.elementCount <= 1 << 20 else {
        return nil
      }
      inputs.append(Tensor(input.elementType, shape: shape))
    }
    return inputs
  }

  /// Without a sample: one row of zeros, where the model's dimensions say what a row is. What the
  /// model thinks of zeros does not matter.
  private static func probe(_ scorer: Scorer, _ scratch: ScoringScratch) -> CostEstimate {
    guard let inputs = probeInputs(scorer.signature) else { return .unknown }
    let elementCount = inputs.reduce(0) { $0 + ($1?.shape.elementCount ?? 0) }
    var succeeded = true
    let nanoseconds = fastest(scorer) {
      do {
        _ = try scorer.executor.predict(
          inputs, outputs: scorer.outputs, scratch: scratch.executor)
      } catch {
        succeeded = false
      }
    }
    guard succeeded else { return .unknown }
    // About eight characters a number, and ten nanoseconds a character to read.
    let byteCount = max(elementCount * 8, 32)
    return CostEstimate(
      nanoseconds: nanoseconds + UInt64(byteCount) * 10, bodyByteCount: byteCount,
      rowByteCount: rowByteCount(scorer.signature))
  }

  /// The shortest of a few runs: what the work takes when nothing else disturbs it.
  private static func fastest(_ scorer: Scorer, _ run: () -> Void) -> UInt64 {
    let start = scorer.clock.now()
    var best = UInt64.max
    for _ in 0..<maxRuns {
      let before = scorer.clock.now()
      run()
      let after = scorer.clock.now()
      best = min(best, after &- before)
      if after &- start > maxMeasuringNanoseconds { break }
    }
    return best
  }

  private static func reason(of error: ScoringError) -> String {
    switch error {
    case .badInput, .badInputs: error.inputSentence ?? ""
    case .executor(let error): error.description
    default: "\(error)"
    }
  }

  private static func readSample(_ path: String) throws(DeploymentFailure) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    if descriptor < 0, errno == ENOENT { return nil }
    guard descriptor >= 0 else { throw unreadable(path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw unreadable(path) }
    guard status.st_size <= 64 << 20 else {
      throw DeploymentFailure(
        code: "BadArgument", message: "\(path): a sample is at most 64 MiB")
    }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[filled...])
        return read(descriptor, rest.baseAddress, rest.count)
      }
      guard count > 0 else { throw unreadable(path) }
      filled += count
    }
    return bytes
  }

  private static func unreadable(_ path: String) -> DeploymentFailure {
    DeploymentFailure(
      code: "ResourceNotReady", message: "\(path): \(String(cString: strerror(errno)))")
  }
}
