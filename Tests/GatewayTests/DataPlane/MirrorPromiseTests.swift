import Executors
import HTTP
import Telemetry
import TestExecutors
import TestTimes
import Testing

@testable import Gateway
@testable import Serving

/// O22 over real HTTP: whatever the deployment does that gets the copies, callers do not see it.
@Suite(.serialized) struct MirrorPromiseTests {
  enum Mirror: String, CaseIterable, Sendable {
    case hangs, fails
    case sleeps = "is ten times as slow"
    case spins = "takes a CPU"

    func makeExecutor(sleepMicroseconds: UInt32) -> TestExecutor {
      switch self {
      case .hangs:
        let executor = TestExecutor()
        executor.hold()
        return executor
      case .fails: return TestExecutor(fails: true)
      case .sleeps: return TestExecutor(sleepMicroseconds: 10 * sleepMicroseconds)
      case .spins: return TestExecutor(spinMicroseconds: UInt64(10 * sleepMicroseconds))
      }
    }
  }

  private static let sleepMicroseconds: UInt32 = 2000

  /// `slow/blue` answers; `slow/green` gets half of the requests too, where there is a mirror.
  private func fixture(_ green: TestExecutor?) throws -> DataPlaneFixture {
    let fixture = try DataPlaneFixture()
    func deployment(_ name: String, _ executor: TestExecutor) -> LiveDeployment {
      var specification = DeploymentSpecification(name: name, endpointName: "slow")
      specification.execution = .queued
      return LiveDeployment(
        specification, generation: 1, modelName: "slow", modelVersion: "1",
        model: LoadedModel(executor: executor, format: "onnx"), metrics: fixture.metrics,
        cost: CostEstimate(
          nanoseconds: UInt64(Self.sleepMicroseconds) * 1000, bodyByteCount: 100))
    }
    let blue = deployment("blue", TestExecutor(sleepMicroseconds: Self.sleepMicroseconds))
    let copied = green.map { deployment("green", $0) }
    fixture.service.install(
      RoutingTable(endpoints: [
        EndpointRoute(
          name: "slow", split: TrafficSplit(["blue": 100]),
          deployments: [blue] + (copied.map { [$0] } ?? []), unavailable: [:],
          keys: [Array(DataPlaneFixture.key.utf8)], isOpen: false,
          mirror: copied.flatMap { fixture.service.mirrorShare(percent: 50, to: $0) })
      ]))
    return fixture
  }

  private func count(_ name: String, _ fixture: DataPlaneFixture) -> Int {
    let text = String(decoding: fixture.metrics.prometheusText(), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("swerve_mirror_\(name)_total{") }
    return line?.split(separator: " ").last.flatMap { Int($0) } ?? 0
  }

  @Test(arguments: Mirror.allCases)
  func `O22 · a mirror that hangs, fails or is slow fails no request and delays none`(
    mirror: Mirror
  ) throws {
    try StolenTime.judged("O22, the mirror \(mirror.rawValue)") { bounds in
      try compare(mirror, &bounds)
    }
  }

  private func compare(_ mirror: Mirror, _ bounds: inout TimeBounds) throws {
    let green = mirror.makeExecutor(sleepMicroseconds: Self.sleepMicroseconds)
    defer { green.release() }
    let fixtures = (alone: try fixture(nil), mirrored: try fixture(green))
    let rounds = Campaign.count(3, full: 15)
    let (rate, seconds) = (200.0, 0.5)
    var alone: [Double] = []
    var mirrored: [Double] = []
    // In turns, so that what else the machine does meets both alike.
    for _ in 0..<rounds {
      for (fixture, isMirrored) in [(fixtures.alone, false), (fixtures.mirrored, true)] {
        let tally = OverloadTests.load(fixture, rate: rate, seconds: seconds, clients: 8)
        #expect(tally.count == Int(rate * seconds))
        #expect(tally.latencies(of: 200).count == tally.count)
        #expect(tally.allRight)
        if isMirrored {
          mirrored += tally.latencies(of: 200)
        } else {
          alone += tally.latencies(of: 200)
        }
      }
    }
    alone.sort()
    mirrored.sort()
    let (copied, dropped) = (
      count("copied", fixtures.mirrored), count("dropped", fixtures.mirrored)
    )
    print(
      "O22, the mirror \(mirror.rawValue): p50 \(median(mirrored)) ms, p99 \(p99(mirrored)) beside "
        + "\(median(alone)) and \(p99(alone)) without one; \(copied) copied, \(dropped) dropped, "
        + "0 of \(mirrored.count) failed")
    // Four standard deviations of half of the requests.
    let sent = Double(mirrored.count)
    #expect(abs(Double(copied + dropped) - sent / 2) < 4 * (sent / 4).squareRoot() + 1)
    #expect(green.runCount > 0)
    if mirror == .hangs { #expect(green.runCount == 1) }
    if mirror == .fails { #expect(eventually { count("failed", fixtures.mirrored) == copied }) }
    // The promise is 5 % of the p99. Some hundred requests beside other work tell that less exactly.
    let (middle, tail, slack) = Campaign.isFull ? (1.05, 1.05, 0.05) : (1.25, 2, 0.5)
    bounds.expect(
      median(mirrored) < middle * median(alone) + slack,
      "p50 \(median(mirrored)) ms, without a mirror \(median(alone))")
    bounds.expect(
      p99(mirrored) < tail * p99(alone) + slack,
      "p99 \(p99(mirrored)) ms, without a mirror \(p99(alone))")
  }
}
