import Executors
import HTTP
import Synchronization
import Telemetry
import TestExecutors
import TestTimes
import Testing

@testable import Gateway
@testable import Serving

#if canImport(Glibc)
  import Glibc
#endif

/// More requests than there is time for, over real HTTP. The executor sleeps, so that the
/// promises hold on a busy machine too; `loadtest/overload` has the real figures.
@Suite(.serialized) struct OverloadTests {
  /// One deployment `slow/blue` of the executor, two threads.
  private func fixture(
    _ executor: TestExecutor, timeoutMs: Int = 5000, maxQueueWaitMs: Int? = nil,
    batchRows: Int? = nil, runMicroseconds: UInt64
  ) throws -> DataPlaneFixture {
    let fixture = try DataPlaneFixture()
    var specification = DeploymentSpecification(name: "blue", endpointName: "slow")
    specification.execution = .queued
    specification.requestTimeoutMs = timeoutMs
    specification.maxQueueWaitMs = maxQueueWaitMs
    if let batchRows {
      specification.batching = DeploymentSpecification.Batching()
      specification.batching?.maxBatchRows = batchRows
    }
    let blue = LiveDeployment(
      specification, generation: 1, modelName: "slow", modelVersion: "1",
      model: LoadedModel(executor: executor, format: "onnx"), metrics: fixture.metrics,
      cost: CostEstimate(nanoseconds: runMicroseconds * 1000, bodyByteCount: 100))
    fixture.service.install(
      RoutingTable(endpoints: [
        EndpointRoute(
          name: "slow", split: TrafficSplit(["blue": 100]), deployments: [blue], unavailable: [:],
          keys: [Array(DataPlaneFixture.key.utf8)], isOpen: false)
      ]))
    return fixture
  }

  private let path = "/endpoints/slow/score"

  /// Requests at fixed times, each with its number in its row.
  private func load(
    _ fixture: DataPlaneFixture, rate: Double, seconds: Double, clients: Int = 48
  ) -> LoadTally {
    Self.load(fixture, rate: rate, seconds: seconds, clients: clients)
  }

  static func load(
    _ fixture: DataPlaneFixture, rate: Double, seconds: Double, clients: Int
  ) -> LoadTally {
    let tally = LoadTally()
    let port = fixture.server.port ?? 0
    let start = MonotonicClock.system.now() + 20_000_000
    let count = Int(rate * seconds)
    let next = Atomic(0)
    let threads = Threads()
    for _ in 0..<clients {
      threads.start(name: "client") {
        let client = HTTPClient(.tcp(host: "127.0.0.1", port: port), timeout: .seconds(20))
        while true {
          let number = next.wrappingAdd(1, ordering: .relaxed).oldValue
          guard number < count else { return }
          let due = start + UInt64(Double(number) / rate * 1e9)
          let now = MonotonicClock.system.now()
          if due > now { usleep(UInt32((due - now) / 1000)) }
          tally.add(OverloadTests.ask(client, number))
        }
      }
    }
    threads.join()
    return tally
  }

  private static func ask(_ client: HTTPClient, _ number: Int) -> LoadTally.Answer {
    var answer = LoadTally.Answer(number: number, sent: MonotonicClock.system.now())
    do {
      let response = try client.send(
        method: "POST", path: "/endpoints/slow/score",
        headers: [("Authorization", "Bearer \(DataPlaneFixture.key)")],
        body: Array("{\"input_data\": [[\(number), 0, 0, 1]]}".utf8))
      answer.status = response.status
      answer.isRight =
        response.status != 200
        || response.text == "{\"echo\":[[\(number).0,0.0,0.0,1.0]],\"sum\":[\(number + 1).0]}"
      answer.hasRetry =
        response.header("retry-after").flatMap { Int($0) } ?? 0 >= 1
        && response.header("ms-azureml-model-error-reason") == "too_many_pending_request"
    } catch {
      answer.status = 0
    }
    answer.ended = MonotonicClock.system.now()
    return answer
  }

  @Test(arguments: [2, 5, 10])
  func `O7 · O8 · overload is refused at once, admitted work and health are unharmed`(
    factor: Int
  ) throws {
    try StolenTime.judged("O7 at \(factor) x C") { bounds in try overload(factor, &bounds) }
  }

  private func overload(_ factor: Int, _ bounds: inout TimeBounds) throws {
    let milliseconds = 40.0
    let executor = TestExecutor(sleepMicroseconds: UInt32(milliseconds * 1000))
    let fixture = try fixture(
      executor, maxQueueWaitMs: Int(milliseconds), runMicroseconds: UInt64(milliseconds * 1000))
    let capacity = 2 * 1000 / milliseconds
    let unloaded = load(fixture, rate: capacity / 4, seconds: 1)

    let isDone = Atomic(false)
    let probes = LoadTally()
    let prober = Threads()
    let port = fixture.server.port ?? 0
    prober.start(name: "probe") {
      let client = HTTPClient(.tcp(host: "127.0.0.1", port: port), timeout: .seconds(20))
      while !isDone.load(ordering: .relaxed) {
        var answer = LoadTally.Answer(number: 0, sent: MonotonicClock.system.now())
        answer.status = (try? client.send(method: "GET", path: "/readyz"))?.status ?? 0
        answer.ended = MonotonicClock.system.now()
        probes.add(answer)
        usleep(5000)
      }
    }
    let seconds = 2.0
    let loaded = load(fixture, rate: capacity * Double(factor), seconds: seconds)
    isDone.store(true, ordering: .relaxed)
    prober.join()

    let admitted = loaded.latencies(of: 200)
    let refused = loaded.latencies(of: 429)
    let goodput = Double(admitted.count) / seconds / capacity
    let health = probes.latencies(of: 200)
    print(
      "O7 at \(factor) x C: goodput \(percent(goodput)) of C, admitted p99 \(p99(admitted)) ms "
        + "(unloaded \(p99(unloaded.latencies(of: 200)))), refused \(refused.count) p99 "
        + "\(p99(refused)) ms; O8: readyz p99 \(p99(health)) ms of \(health.count)")
    // Every request has one answer: it was scored, or it was told to come back.
    #expect(loaded.count == Int(capacity * Double(factor) * seconds))
    #expect(admitted.count + refused.count == loaded.count)
    #expect(loaded.allRight)
    #expect(loaded.all(429) { $0.hasRetry })
    #expect(probes.count == health.count)
    bounds.expect(goodput > 0.85, "goodput \(goodput) of C, expected 0.85")
    // Medians: this runs without optimisation beside other tests. `loadtest/overload` has the
    // promise's own bounds.
    bounds.expect(median(admitted) < 4 * milliseconds, "admitted in \(median(admitted)) ms")
    bounds.expect(median(refused) < milliseconds, "refused in \(median(refused)) ms")
    bounds.expect(median(health) < 50, "readyz in \(median(health)) ms")
    // The server has counted the same.
    let series = #"deployment="blue",endpoint="slow",generation="1""#
    func counter(_ line: String) -> Int {
      let text = String(decoding: fixture.metrics.prometheusText(), as: UTF8.self)
      let found = text.split(separator: "\n").filter { $0.hasPrefix(line) }
      return found.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
    }
    let answered = admitted.count + unloaded.latencies(of: 200).count
    let told = refused.count + unloaded.latencies(of: 429).count
    #expect(eventually { counter("swerve_requests_total{code=\"200\",\(series)}") == answered })
    #expect(counter("swerve_requests_total{code=\"429\",\(series)}") == told)
    #expect(counter("swerve_requests_refused_total{\(series)") == told)
    #expect(counter("swerve_requests_in_flight{\(series)}") == 0)
    #expect(counter("swerve_queue_rows{\(series)}") == 0)
  }

  @Test(arguments: [nil, 4] as [Int?])
  func `O9 · deadlines hold, and nothing is started after its own`(batchRows: Int?) throws {
    try StolenTime.judged("O9") { bounds in try deadlines(batchRows, &bounds) }
  }

  private func deadlines(_ batchRows: Int?, _ bounds: inout TimeBounds) throws {
    let executor = TestExecutor(sleepMicroseconds: 200_000, keepsRuns: true)
    // Nothing is known of the cost: each waits, and none is refused for being late.
    let fixture = try fixture(
      executor, timeoutMs: 50, batchRows: batchRows, runMicroseconds: 0)
    let seconds = Campaign.count(2, full: 50)
    let tally = load(fixture, rate: 200, seconds: Double(seconds), clients: 40)
    let late = tally.latencies(of: 408)
    print(
      "O9: \(late.count) of \(tally.count) answered 408, p50 \(median(late)) ms, p99 \(p99(late)) "
        + "ms at a deadline of 50 ms; \(executor.runCount) runs were started")
    #expect(late.count + tally.latencies(of: 429).count == tally.count)
    #expect(late.count > tally.count / 2)
    #expect(late.allSatisfy { $0 >= 49 })
    bounds.expect(median(late) < 100, "answered in \(median(late)) ms")
    let answers = tally.byNumber
    for run in executor.allRuns {
      for row in 0..<run.rows {
        let answer = try #require(answers[Int(run.values[row * TestExecutor.width])])
        // A halt of the machine between the look at the deadline and the start may be that long.
        bounds.expect(run.started <= answer.ended, "a run was started after its deadline")
      }
    }
    // Two threads, 200 ms a run, and what was in progress at the end.
    #expect(executor.runCount <= seconds * 10 + 4)
  }

  @Test func `O9 · requests of clients that have left are never run`() throws {
    let executor = TestExecutor(keepsRuns: true)
    executor.hold()
    defer { executor.release() }
    // None may time out before all have come.
    let fixture = try fixture(executor, timeoutMs: 60_000, batchRows: 4, runMicroseconds: 1000)
    let port = fixture.server.port ?? 0
    let staying = Threads()
    let tally = LoadTally()
    for number in 0..<2 {
      staying.start(name: "staying") {
        let client = HTTPClient(.tcp(host: "127.0.0.1", port: port), timeout: .seconds(20))
        tally.add(OverloadTests.ask(client, number))
      }
      // One on each of the two threads.
      #expect(eventually { executor.runCount == number + 1 })
    }
    let count = Campaign.count(200, full: 1000)
    for number in 0..<count { leave(port: port, number: number + 1000) }
    #expect(eventually { fixture.service.waitingCount == count })
    executor.release()
    staying.join()
    #expect(eventually { fixture.service.waitingCount == 0 })
    let values = executor.allRuns.flatMap(\.values)
    let run = values.filter { $0 >= 1000 }.count
    print("O9: \(run) of \(count) requests of clients that had left were run")
    #expect(run == 0)
    #expect(tally.latencies(of: 200).count == 2)
  }

  /// Sends a request and is gone.
  private func leave(port: UInt16, number: Int) {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    _ = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    let body = "{\"input_data\": [[\(number), 0, 0, 1]]}"
    let text =
      "POST \(path) HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(DataPlaneFixture.key)\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    _ = text.withCString { send(descriptor, $0, strlen($0), 0) }
    usleep(1000)
    close(descriptor)
  }
}

/// What became of many requests.
final class LoadTally: Sendable {
  struct Answer: Sendable {
    var number: Int
    var sent: UInt64
    var ended: UInt64 = 0
    /// 0: there was no answer.
    var status = 0
    var isRight = true
    var hasRetry = false

    init(number: Int, sent: UInt64) {
      self.number = number
      self.sent = sent
    }
  }

  private let answers = Mutex<[Answer]>([])

  func add(_ answer: Answer) { answers.withLock { $0.append(answer) } }

  var count: Int { answers.withLock { $0.count } }
  var allRight: Bool { answers.withLock { $0.allSatisfy(\.isRight) } }
  var byNumber: [Int: Answer] {
    Dictionary(answers.withLock { $0 }.map { ($0.number, $0) }, uniquingKeysWith: { $1 })
  }

  func all(_ status: Int, _ isTrue: (Answer) -> Bool) -> Bool {
    answers.withLock { $0.filter { $0.status == status }.allSatisfy(isTrue) }
  }

  /// Milliseconds, in order.
  func latencies(of status: Int) -> [Double] {
    answers.withLock { $0.filter { $0.status == status } }
      .map { Double($0.ended - $0.sent) / 1e6 }.sorted()
  }
}

private func at(_ share: Double, _ ordered: [Double]) -> Double {
  guard !ordered.isEmpty else { return 0 }
  return ordered[min(ordered.count - 1, Int(Double(ordered.count) * share))]
}
func p99(_ ordered: [Double]) -> Double { (at(0.99, ordered) * 100).rounded() / 100 }
func median(_ ordered: [Double]) -> Double { (at(0.5, ordered) * 100).rounded() / 100 }
func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }

/// Waits up to ten seconds for something that other threads bring about.
func eventually(_ isTrue: () -> Bool) -> Bool {
  let end = MonotonicClock.system.now() + 10_000_000_000
  while MonotonicClock.system.now() < end {
    if isTrue() { return true }
    usleep(1000)
  }
  return isTrue()
}
