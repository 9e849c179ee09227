import Synchronization
import Telemetry
import TestTimes
import Testing

@testable import Serving

#if canImport(Glibc)
  import Glibc
#endif

struct ScoringServiceTests {
  @Test func `a cheap request is answered on the caller's thread`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let blue = fixture.deployment("blue", FakeExecutor(value: 1), execution: .automatic)
    fixture.install([blue], traffic: ["blue": 100])
    let caller = FakeCaller()
    fixture.score(caller)
    #expect(caller.answerCount == 1)
    #expect(!caller.isSuspended)
    #expect(caller.answer == "[1.0]")
    #expect(caller.outcome()?.deployment === blue)
    #expect(blue.requestsInFlight == 0)
  }

  @Test func `a long request is answered from another thread`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let blue = fixture.deployment("blue", FakeExecutor(value: 2))
    fixture.install([blue], traffic: ["blue": 100])
    let caller = FakeCaller()
    fixture.score(caller)
    #expect(caller.isSuspended)
    #expect(caller.answer == "[2.0]")
    #expect(eventually { blue.requestsInFlight == 0 })
  }

  @Test func `a pinned deployment answers past the weights, in any letter case`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    fixture.install(
      [
        fixture.deployment("blue", FakeExecutor(value: 1)),
        fixture.deployment("green", FakeExecutor(value: 2)),
      ], traffic: ["blue": 100])
    let caller = FakeCaller()
    fixture.score(caller, pinned: "Green")
    #expect(caller.answer == "[2.0]")
  }

  @Test func `an unknown deployment is told with those that exist`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    fixture.install(
      [fixture.deployment("blue", FakeExecutor(value: 1))], traffic: ["blue": 100])
    let caller = FakeCaller()
    fixture.score(caller, pinned: "red")
    #expect(
      caller.error == .deploymentNotFound(endpoint: "churn", name: "red", known: ["blue"]))
  }

  @Test func `all-zero traffic answers nobody, but a pinned request`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    fixture.install([fixture.deployment("blue", FakeExecutor(value: 1))], traffic: [:])
    let caller = FakeCaller()
    fixture.score(caller)
    #expect(caller.error == .noTraffic(endpoint: "churn"))
    let pinned = FakeCaller()
    fixture.score(pinned, pinned: "blue")
    #expect(pinned.answer == "[1.0]")
  }

  @Test func `the share of a deployment that is not ready goes to the others`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let route = EndpointRoute(
      name: "churn", split: TrafficSplit(["blue": 50, "green": 50]),
      deployments: [fixture.deployment("blue", FakeExecutor(value: 1))],
      unavailable: ["green": "it is rotten"], keys: [], isOpen: true)
    fixture.service.install(RoutingTable(endpoints: [route]))
    for _ in 0..<20 {
      let caller = FakeCaller()
      fixture.score(caller)
      #expect(caller.answer == "[1.0]")
    }
    let pinned = FakeCaller()
    fixture.score(pinned, pinned: "green")
    #expect(
      pinned.error
        == .deploymentUnavailable(endpoint: "churn", name: "green", reason: "it is rotten"))
  }

  @Test func `a deployment with traffic that is not ready is in the metrics and in the log`() throws
  {
    let path = "/tmp/swerve-shares-\(getpid())-\(UInt64.random(in: 0 ... .max)).log"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    defer {
      close(descriptor)
      unlink(path)
    }
    let log = Log(descriptor: descriptor)
    let fixture = ServiceFixture(log: log)
    defer { fixture.service.stop() }
    let series = #"swerve_unready_traffic_percent{deployment="green",endpoint="churn"} "#
    func shown() -> Bool? {
      let lines = String(decoding: fixture.metrics.prometheusText(), as: UTF8.self)
      if lines.contains(series + "10\n") { return true }
      return lines.contains(series + "0\n") ? false : nil
    }
    func install(_ deployments: [LiveDeployment], _ unavailable: [String: String], green: Int) {
      fixture.service.install(
        RoutingTable(endpoints: [
          EndpointRoute(
            name: "churn", split: TrafficSplit(["blue": 100 - green, "green": green]),
            deployments: deployments, unavailable: unavailable, keys: [], isOpen: true)
        ]))
    }
    let blue = fixture.deployment("blue", FakeExecutor(value: 1))
    let green = fixture.deployment("green", FakeExecutor(value: 2))
    install([blue], ["green": "loading"], green: 10)
    #expect(shown() == true)
    // Told once, however often a table is installed.
    for _ in 0..<3 { install([blue], ["green": "it is rotten"], green: 10) }
    #expect(shown() == true)
    install([blue, green], [:], green: 10)
    #expect(shown() == false)
    install([blue], ["green": "it is rotten"], green: 10)
    #expect(shown() == true)
    install([blue], ["green": "it is rotten"], green: 0)
    #expect(shown() == false)
    log.flush()
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = pread(descriptor, &bytes, bytes.count, 0)
    let warnings = String(decoding: bytes[..<max(count, 0)], as: UTF8.self).split(separator: "\n")
      .filter { $0.contains(#""a deployment with live traffic is not ready""#) }
    #expect(warnings.count == 2)
    for words in [
      #""deployment":"green""#, #""percent":10"#, "it is rotten", #""answered_by":"blue""#,
    ] {
      #expect(warnings.allSatisfy { $0.contains(words) }, "\(words)")
    }
  }

  @Test(arguments: [DeploymentSpecification.Execution.queued, .inline])
  func `work past its deadline is stopped`(
    _ execution: DeploymentSpecification.Execution
  ) throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let executor = FakeExecutor(value: 1, runsToDeadline: true)
    fixture.install(
      [fixture.deployment("blue", executor, execution: execution, timeoutMs: 50)],
      traffic: ["blue": 100])
    let caller = FakeCaller()
    fixture.score(caller)
    #expect(caller.error == .deadlinePassed(deployment: "blue", timeoutMs: 50))
    #expect(eventually { executor.stopCount == 1 })
    // The thread is free for the next one. On a machine that has much else to do, one may pass its
    // deadline before its turn, and is not run at all.
    let wasRunAgain = eventually {
      let next = FakeCaller()
      fixture.score(next)
      return next.error == .deadlinePassed(deployment: "blue", timeoutMs: 50)
        && executor.stopCount >= 2
    }
    #expect(wasRunAgain)
  }

  @Test func `queue full: the request is refused at once`() throws {
    let fixture = ServiceFixture(maxWaiting: 2)
    defer { fixture.service.stop() }
    let executor = FakeExecutor(value: 1, isHeld: true)
    defer { executor.release() }
    fixture.install([fixture.deployment("blue", executor)], traffic: ["blue": 100])
    let callers = (0..<4).map { _ in FakeCaller() }
    fixture.score(callers[0])
    #expect(eventually { executor.runCount == 1 })
    for caller in callers[1...] { fixture.score(caller) }
    #expect(callers[3].error == .queueFull(deployment: "blue", depth: 2))
    #expect(callers[..<3].allSatisfy { $0.answerCount == 0 })
    executor.release()
    #expect(callers[..<3].allSatisfy { $0.answer == "[1.0]" })
  }

  @Test func `too many at once: twice what the YAML says is taken, the rest refused`() throws {
    let fixture = ServiceFixture(threads: 2)
    defer { fixture.service.stop() }
    let executor = FakeExecutor(value: 1, isHeld: true)
    defer { executor.release() }
    let blue = fixture.deployment("blue", executor, maxConcurrent: 1)
    fixture.install([blue], traffic: ["blue": 100])
    let callers = (0..<3).map { _ in FakeCaller() }
    for caller in callers { fixture.score(caller) }
    #expect(callers[2].error == .tooManyAtOnce(deployment: "blue", limit: 2))
    executor.release()
    #expect(callers[..<2].allSatisfy { $0.answer == "[1.0]" })
    let last = FakeCaller()
    fixture.score(last)
    #expect(last.answer == "[1.0]")
  }

  @Test func `deadline passed: answered then, and what waited is never run`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let executor = FakeExecutor(value: 1, isHeld: true)
    defer { executor.release() }
    let blue = fixture.deployment("blue", executor, timeoutMs: 50)
    fixture.install([blue], traffic: ["blue": 100])
    let start = MonotonicClock.system.now()
    let callers = (0..<3).map { _ in FakeCaller() }
    for caller in callers { fixture.score(caller) }
    for caller in callers {
      #expect(caller.error == .deadlinePassed(deployment: "blue", timeoutMs: 50))
    }
    let elapsed = MonotonicClock.system.now() - start
    #expect(elapsed >= 50_000_000 && elapsed < 2_000_000_000)
    executor.release()
    #expect(eventually { fixture.service.waitingCount == 0 })
    #expect(executor.runCount == 1)
    #expect(callers.allSatisfy { $0.answerCount == 1 })
    #expect(blue.requestsInFlight == 0)
  }

  @Test func `client gone: its waiting request is not started`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let executor = FakeExecutor(value: 1, isHeld: true)
    defer { executor.release() }
    fixture.install([fixture.deployment("blue", executor)], traffic: ["blue": 100])
    let running = FakeCaller()
    fixture.score(running)
    #expect(eventually { executor.runCount == 1 })
    let gone = FakeCaller()
    fixture.score(gone)
    gone.leave()
    executor.release()
    #expect(gone.error == .callerLeft)
    #expect(running.answer == "[1.0]")
    #expect(executor.runCount == 1)
  }

  @Test func `drain in progress: what runs ends, what waits is told`() throws {
    let fixture = ServiceFixture()
    let executor = FakeExecutor(value: 1, isHeld: true)
    defer { executor.release() }
    fixture.install([fixture.deployment("blue", executor)], traffic: ["blue": 100])
    let running = FakeCaller()
    fixture.score(running)
    #expect(eventually { executor.runCount == 1 })
    let waiting = FakeCaller()
    fixture.score(waiting)
    let service = fixture.service
    let stopping = Threads()
    stopping.start(name: "stopping") { service.stop() }
    #expect(waiting.error == .draining)
    #expect(running.answerCount == 0)
    executor.release()
    stopping.join()
    #expect(running.answer == "[1.0]")
    let late = FakeCaller()
    fixture.score(late)
    #expect(late.error == .draining)
  }

  @Test func `a bad body fails alone`() throws {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let blue = fixture.deployment("blue", FakeExecutor(value: 1), execution: .inline)
    fixture.install([blue], traffic: ["blue": 100])
    let bad = FakeCaller("{\"input_data\": [[1,")
    fixture.score(bad)
    guard case .badInput? = bad.error else {
      Issue.record("expected bad input, got \(String(describing: bad.error))")
      return
    }
    let good = FakeCaller()
    fixture.score(good)
    #expect(good.answer == "[1.0]")
  }

  @Test func `no request is lost or answered by a retired table under swaps`() throws {
    let fixture = ServiceFixture(maxWaiting: 10_000, threads: 2)
    defer { fixture.service.stop() }
    func table(_ generation: Int) -> LiveDeployment {
      fixture.deployment(
        "blue", FakeExecutor(value: Float(generation)), generation: Int64(generation),
        execution: generation % 2 == 0 ? .queued : .inline)
    }
    fixture.install([table(1)], traffic: ["blue": 100])
    let shared = Shared()
    let clients = Threads()
    for _ in 0..<3 {
      clients.start(name: "client") {
        while !shared.isDone.load(ordering: .sequentiallyConsistent) {
          let atLeast = shared.acknowledged.load(ordering: .sequentiallyConsistent)
          let caller = FakeCaller()
          fixture.score(caller)
          shared.sent.add(1, ordering: .relaxed)
          let answered = caller.outcome()?.deployment.map { Int($0.generation) } ?? 0
          if caller.answer == nil || caller.answerCount != 1 || answered < atLeast {
            shared.failures.withLock {
              $0.append("generation \(answered), expected \(atLeast) or later")
            }
          }
        }
      }
    }
    weak var retired: LiveDeployment?
    for generation in 2...200 {
      let next = table(generation)
      if generation == 100 { retired = next }
      fixture.install([next], traffic: ["blue": 100])
      shared.acknowledged.store(generation, ordering: .sequentiallyConsistent)
      pause(milliseconds: 1)
    }
    shared.isDone.store(true, ordering: .sequentiallyConsistent)
    clients.join()
    #expect(shared.failures.withLock { $0 } == [])
    #expect(shared.sent.load(ordering: .relaxed) > 200)
    #expect(eventually { retired == nil }, "a retired deployment frees its memory")
  }
}

/// What the clients of one test share.
private final class Shared: Sendable {
  /// The generation in force at least: an answer may be newer, not older.
  let acknowledged = Atomic(1)
  let isDone = Atomic(false)
  let sent = Atomic(0)
  let failures = Mutex<[String]>([])
}
