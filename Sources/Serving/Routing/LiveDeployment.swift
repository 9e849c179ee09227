internal import Documents
internal import Executors
package import Registry
package import Telemetry

/// A deployment that is loaded, verified, warmed up, and can answer. Immutable but for its
/// counters; one object a generation.
package final class LiveDeployment: Sendable {
  package let endpointName: String
  package let name: String
  /// The same in UTF-8, for the header of each answer.
  package let nameBytes: [UInt8]
  package let generation: Int64
  package let specification: DeploymentSpecification
  /// `churn:3`.
  package let modelName: String
  package let modelVersion: String
  package let model: LoadedModel
  package let metrics: DeploymentMetrics
  /// What every log line of a request to it says.
  package let logMembers: LogMembers
  /// The package's sample request, an example for callers; nil when there is none, or a long one.
  package let sampleRequest: [UInt8]?
  /// Bytes of the model's own files: what it takes in memory, about.
  package let artifactByteCount: Int

  let scorer: Scorer
  let scratches: ScratchPool
  let cost: CostEstimate
  /// Nanoseconds from the whole body to the answer.
  let timeLimit: UInt64
  /// Nanoseconds that a request may wait in the queue; nil: as long as its time limit.
  let maxQueueWait: UInt64?
  /// nil: each request runs by itself.
  let batchPolicy: BatchPolicy?
  /// Where requests run: what the document says, but those that are joined wait.
  private let execution: DeploymentSpecification.Execution
  /// How long what was queued has really taken.
  let pace = QueuePace()
  /// Requests in flight at most; nil: no limit.
  let maxRequestsInFlight: Int?

  /// Loads, verifies hashes, warms up on the package's sample and compares with its expected
  /// answer. Takes as long as that takes: on a thread of the control plane's.
  ///
  /// - Throws: `DeploymentFailure` with the reason in full.
  package convenience init(
    _ specification: DeploymentSpecification, generation: Int64, model version: ModelVersion,
    package: String, registry: ModelRegistry, metrics: MetricRegistry, log: Log? = nil
  ) throws(DeploymentFailure) {
    if let reason = specification.cannotRunReason {
      throw DeploymentFailure(code: "BadArgument", message: reason)
    }
    let clock = MonotonicClock.system
    let start = clock.now()
    do {
      try registry.verify(version)
    } catch {
      throw DeploymentFailure(
        code: "ResourceNotReady",
        message: "model \(version.name):\(version.version): \(registrySentence(for: error))")
    }
    let verified = clock.now()
    var properties = version.properties
    if let outputs = specification.responseOutputs {
      var text = JSONWriter()
      text.document(.array(outputs.map { .string($0) }))
      properties[ModelProperties.outputsKey] = String(decoding: text.bytes, as: UTF8.self)
    }
    let model: LoadedModel
    do {
      model = try ModelLoader.load(
        path: package + "/" + version.artifact, type: version.type, properties: properties)
    } catch {
      throw DeploymentFailure(
        code: "BadArgument", message: "model \(version.name):\(version.version): \(error)")
    }
    let loadTimes = LoadTimes(verifying: verified &- start, loading: clock.now() &- verified)
    let sample = try WarmUp.Sample(package: package)
    let cost = try WarmUp.run(
      Scorer(model), sample: sample,
      tolerance: try AnswerTolerance(format: model.format, properties: version.properties))
    if specification.batching != nil,
      let fault = WarmUp.joinFault(Scorer(model), sample: sample)
    {
      throw DeploymentFailure(
        code: "BadArgument",
        message: "swerve.batching: requests for model \(version.name):\(version.version) cannot "
          + "be joined: \(fault)")
    }
    self.init(
      specification, generation: generation, modelName: version.name,
      modelVersion: version.version, model: model, metrics: metrics, cost: cost,
      sampleRequest: sample.request, artifactByteCount: version.artifactByteCount,
      loadTimes: loadTimes, log: log)
  }

  /// Puts a loaded model in force whose cost is known.
  init(
    _ specification: DeploymentSpecification, generation: Int64, modelName: String,
    modelVersion: String, model: LoadedModel, metrics: MetricRegistry, cost: CostEstimate,
    sampleRequest: [UInt8]? = nil, artifactByteCount: Int = 0, loadTimes: LoadTimes? = nil,
    log: Log? = nil
  ) {
    self.artifactByteCount = artifactByteCount
    self.loadTimes = loadTimes
    self.sampleRequest = sampleRequest.flatMap { $0.count <= Self.maxSampleBytes ? $0 : nil }
    var scorer = Scorer(model)
    scorer.deploymentName = specification.name
    scorer.modelVersion = modelVersion
    if let log {
      scorer.ignoredParameters = IgnoredParameters(
        log: log, deployment: specification, generation: generation)
    }
    self.scorer = scorer
    scratches = ScratchPool(executor: model.executor)
    self.cost = cost
    endpointName = specification.endpointName
    name = specification.name
    nameBytes = Array(specification.name.utf8)
    self.generation = generation
    self.specification = specification
    self.modelName = modelName
    self.modelVersion = modelVersion
    self.model = model
    self.metrics = DeploymentMetrics(
      endpoint: specification.endpointName, deployment: specification.name,
      generation: generation, metrics: metrics)
    logMembers = LogMembers { line in
      line.appendLogMember("endpoint", specification.endpointName)
      line.appendLogMember("deployment", specification.name)
      line.appendLogMember("generation", generation)
    }
    timeLimit = nanoseconds(milliseconds: specification.requestTimeoutMs)
    maxQueueWait = specification.maxQueueWaitMs.map(nanoseconds(milliseconds:))
    batchPolicy = specification.batching.map { BatchPolicy($0) }
    execution = batchPolicy == nil ? specification.execution : .queued
    // As many again may wait, as Azure has it.
    maxRequestsInFlight = specification.maxConcurrentRequestsPerInstance.map { perInstance in
      let (product, overflows) = perInstance.multipliedReportingOverflow(
        by: max(specification.instanceCount, 1))
      let (double, overflowsTwice) = product.multipliedReportingOverflow(by: 2)
      return overflows || overflowsTwice ? Int.max : double
    }
  }

  /// Nanoseconds that getting ready took, before warming up.
  struct LoadTimes: Sendable {
    var verifying: UInt64
    var loading: UInt64
  }

  /// nil when the model came loaded.
  private let loadTimes: LoadTimes?

  /// An example is for people to read.
  private static let maxSampleBytes = 64 << 10

  /// For `get-logs`: what was loaded, and what warming up has shown.
  var readySentence: String {
    var text = "ready: generation \(generation), model \(modelName):\(modelVersion) "
    text += "(\(model.executor.summary)); "
    if let loadTimes {
      text += "hashes verified in \(loadTimes.verifying / 1000) µs, "
      text += "loaded in \(loadTimes.loading / 1000) µs; "
    }
    text += "warmed up"
    if let nanoseconds = cost.nanoseconds {
      text += ": a body of \(cost.bodyByteCount) bytes takes \(nanoseconds / 1000) µs"
    }
    return text
  }

  /// Requests that took far longer inline than was measured.
  let overruns = InlineOverruns()

  /// Whether rows go to several inputs of one column each.
  package var takesColumnPerInput: Bool { scorer.decoder.layout == .columnPerInput }

  /// Requests taken and not yet answered.
  package var requestsInFlight: Int { metrics.requestsInFlight }

  /// When a request must have its answer whose body was whole then.
  package func deadline(arrived: UInt64) -> UInt64 {
    let (deadline, overflows) = arrived.addingReportingOverflow(timeLimit)
    return overflows ? .max : deadline
  }

  /// Scores one body on the calling thread; stops when the deadline passes meanwhile.
  func score(
    _ body: Span<UInt8>, form: AnswerForm, started: UInt64, deadline: UInt64,
    times: inout ScoringTimes
  ) -> Result<[UInt8], ScoringError> {
    let scratch = scratches.take()
    defer { scratches.give(back: scratch) }
    do {
      return .success(
        try scorer.score(
          body, form: form, scratch: scratch, started: started, deadline: deadline, times: &times))
    } catch .executor(.deadlinePassed) {
      return .failure(
        .deadlinePassed(deployment: name, timeoutMs: specification.requestTimeoutMs))
    } catch {
      return .failure(error)
    }
  }

  /// Scores a request whose body is compressed: unpacked here, and let go when it is read.
  func score(
    packed call: QueuedCall, started: UInt64, times: inout ScoringTimes
  ) -> (result: Result<[UInt8], ScoringError>, bodyByteCount: Int) {
    var byteCount = 0
    do throws(ScoringError) {
      let caller = call.caller
      try caller.unpack()
      byteCount = caller.body.count
      let prepared = try scorer.prepare(caller.body, form: call.form)
      caller.discardUnpacked()
      let scratch = scratches.take()
      defer { scratches.give(back: scratch) }
      let answer = try scorer.finish(
        prepared, form: call.form, scratch: scratch, started: started, deadline: call.deadline,
        times: &times)
      return (.success(answer), byteCount)
    } catch .executor(.deadlinePassed) {
      return (
        .failure(.deadlinePassed(deployment: name, timeoutMs: specification.requestTimeoutMs)),
        byteCount
      )
    } catch {
      return (.failure(error), byteCount)
    }
  }

  /// Nanoseconds that a request was to be expected to run, now that its body's size is known: what
  /// a compressed one says of itself beforehand may be wrong.
  func runTime(of call: QueuedCall, bodyByteCount: Int) -> UInt64 {
    guard call.isPacked else { return call.demand.run }
    let comparable = comparableBytes(bodyByteCount, call.form)
    return max(call.demand.run, cost.nanoseconds(forBody: comparable) ?? 0)
  }

  /// When a request that was put into the queue at `queued` must have been started.
  func startBy(queued: UInt64, deadline: UInt64) -> UInt64 {
    guard let maxQueueWait else { return deadline }
    return min(queued &+ maxQueueWait, deadline)
  }

  /// Whether a request of this size runs where it came in.
  func runsInline(bodyByteCount: Int, form: AnswerForm) -> Bool {
    switch execution {
    case .inline: true
    case .queued: false
    case .automatic:
      cost.runsInline(bodyByteCount: comparableBytes(bodyByteCount, form)) && overruns.areFew
    }
  }

  /// When a request that runs where it came in is to be given up there, and queued: what it takes may
  /// depend on its numbers, and nobody else is read from meanwhile.
  func inlineLimit(arrived: UInt64, deadline: UInt64) -> UInt64 {
    execution == .inline ? deadline : min(deadline, arrived &+ InlineOverruns.maxNanoseconds)
  }

  /// What a request needs that is to wait.
  func demand(
    bodyByteCount: Int, form: AnswerForm, arrived: UInt64, now: UInt64
  ) -> QueuePolicy.Demand {
    let comparable = comparableBytes(bodyByteCount, form)
    let deadline = deadline(arrived: arrived)
    let startBy = startBy(queued: now, deadline: deadline)
    return QueuePolicy.Demand(
      rows: cost.rows(forBody: comparable), bytes: bodyByteCount,
      run: cost.nanoseconds(forBody: comparable) ?? QueuePace.unknownNanoseconds,
      untilStart: startBy > now ? startBy - now : 0,
      untilDeadline: deadline > now ? deadline - now : 0)
  }

  /// Bytes of a body as they compare with the body that was measured, which is JSON.
  private func comparableBytes(_ byteCount: Int, _ form: AnswerForm) -> Int {
    guard case .inference(let call) = form, call.headerByteCount != nil else { return byteCount }
    return cost.comparableBytes(ofBinary: byteCount)
  }

  /// For `show`: where requests run, and why there.
  package var executionSentence: String {
    var measured = "nothing could be measured at warm-up"
    if let nanoseconds = cost.nanoseconds {
      measured = "a body of \(cost.bodyByteCount) bytes takes \(nanoseconds / 1000) µs"
    }
    if let batchPolicy {
      return "queued, in batches of up to \(batchPolicy.maxBatchRows) rows: \(measured)"
    }
    switch execution {
    case .inline: return "inline, as its document says: \(measured)"
    case .queued: return "queued, as its document says: \(measured)"
    case .automatic:
      guard cost.runsInline(bodyByteCount: cost.bodyByteCount) else { return "queued: \(measured)" }
      return "inline up to \(cost.maxInlineBytes) bytes, longer ones queued: \(measured)"
    }
  }
}

private func nanoseconds(milliseconds: Int) -> UInt64 {
  UInt64(min(max(milliseconds, 0), 86_400_000)) * 1_000_000
}

extension ModelVersion {
  /// Of the files that are the artifact, or lie in its folder.
  fileprivate var artifactByteCount: Int {
    files.reduce(0) { sum, file in
      let isPart = file.path == artifact || file.path.hasPrefix(artifact + "/")
      return isPart ? sum &+ file.byteCount : sum
    }
  }
}
