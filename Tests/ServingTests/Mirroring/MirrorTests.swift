import Telemetry
import Testing

@testable import Serving

struct MirrorTests {
  /// An endpoint whose requests are answered by blue and copied to green.
  private func installed(
    _ fixture: ServiceFixture, percent: Int = 50, green: FakeExecutor, timeoutMs: Int = 60_000
  ) -> EndpointRoute {
    let blue = fixture.deployment("blue", FakeExecutor(value: 1), execution: .inline)
    let green = fixture.deployment("green", green, timeoutMs: timeoutMs)
    let route = EndpointRoute(
      name: "churn", split: TrafficSplit(["blue": 100]), deployments: [blue, green],
      unavailable: [:], keys: [], isOpen: true,
      mirror: fixture.service.mirrorShare(percent: percent, to: green))
    fixture.service.install(RoutingTable(endpoints: [route]))
    return route
  }

  /// Scores, and offers what the gateway offers behind each answer.
  private func send(
    _ count: Int, to route: EndpointRoute, _ fixture: ServiceFixture, pinned: String? = nil,
    body: String = "{\"input_data\": [[1]]}"
  ) {
    for number in 0..<count {
      let caller = FakeCaller(body)
      fixture.score(caller, pinned: pinned)
      #expect(caller.answer != nil)
      fixture.service.mirror(route, pinned: pinned != nil, bodyByteCount: body.utf8.count) {
        MirrorCopy(body: CopiedBody(Array(body.utf8)), form: .score, requestID: "r\(number)")
      }
    }
  }

  private func count(_ name: String, _ fixture: ServiceFixture) -> Int {
    let text = String(decoding: fixture.metrics.prometheusText(), as: UTF8.self)
    let line = text.split(separator: "\n").first {
      $0.hasPrefix("swerve_mirror_\(name)_total{") && $0.contains("deployment=\"green\"")
    }
    return Int(line?.split(separator: " ").last ?? "") ?? -1
  }

  @Test func `the wanted share of the requests is scored once more, and counted apart`() {
    let fixture = ServiceFixture(mirrorPolicy: MirrorPolicy(maxWaiting: 10_000))
    defer { fixture.service.stop() }
    let green = FakeExecutor(value: 2)
    let route = installed(fixture, percent: 20, green: green)
    send(4000, to: route, fixture)
    let copied = count("copied", fixture)
    // Four standard deviations of 4000 draws at 20 %.
    #expect((700...900).contains(copied + count("dropped", fixture)))
    #expect(eventually { green.runCount == copied })
    #expect(count("failed", fixture) == 0)
    let statistics = route.deployments["green"]?.metrics.statistics
    #expect(statistics?.successCount == 0, "no caller has asked green for anything")
  }

  @Test func `a request that names its deployment is not copied`() {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let green = FakeExecutor(value: 2)
    let route = installed(fixture, green: green)
    send(100, to: route, fixture, pinned: "blue")
    #expect(count("copied", fixture) == 0)
    #expect(green.runCount == 0)
  }

  @Test func `O22 · a mirror that hangs takes a bounded number and delays nobody`() {
    let fixture = ServiceFixture(mirrorPolicy: MirrorPolicy(maxWaiting: 8))
    let green = FakeExecutor(value: 2, isHeld: true)
    let route = installed(fixture, green: green)
    send(200, to: route, fixture)
    #expect(route.mirror?.lane.count ?? 0 <= 9)
    #expect(count("copied", fixture) <= 9)
    #expect(count("dropped", fixture) > 50)
    // The service ends without the thread that hangs.
    fixture.service.stop()
    green.release()
  }

  @Test func `copies are bounded in bytes too`() {
    let policy = MirrorPolicy(maxWaiting: 100, maxWaitingBytes: 100)
    #expect(policy.takes(waiting: 100, bytes: 100))
    #expect(!policy.takes(waiting: 101, bytes: 1))
    #expect(!policy.takes(waiting: 1, bytes: 101))
    #expect(policy.isStale(waited: 11, timeLimit: 10))
    #expect(!policy.isStale(waited: 10, timeLimit: 10))
  }

  @Test func `what fails on the mirror is counted and told to its owner alone`() {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let route = installed(
      fixture, green: FakeExecutor(value: 2, runsToDeadline: true), timeoutMs: 1000)
    send(20, to: route, fixture)
    #expect(eventually { count("failed", fixture) > 0 })
  }

  @Test func `a table without the mirror ends its thread`() {
    let fixture = ServiceFixture()
    defer { fixture.service.stop() }
    let route = installed(fixture, green: FakeExecutor(value: 2))
    let lane = route.mirror?.lane
    let plain = EndpointRoute(
      name: "churn", split: route.split, deployments: Array(route.deployments.values),
      unavailable: [:], keys: [], isOpen: true)
    fixture.service.install(RoutingTable(endpoints: [plain]))
    #expect(lane?.join(until: MonotonicClock.system.now() + 5_000_000_000) == true)
    send(50, to: route, fixture)
    #expect(count("copied", fixture) == 0, "an old table's requests are not copied any more")
  }

  @Test func `drops are told at the first and then every ten seconds`() {
    var notice = DropNotice()
    #expect(notice.news(0, now: 1) == nil)
    #expect(notice.news(3, now: 2) == 3)
    #expect(notice.news(5, now: 3) == nil)
    #expect(notice.news(9, now: 2 + DropNotice.interval) == 6)
    #expect(notice.news(9, now: 2 + 3 * DropNotice.interval) == nil)
  }
}
