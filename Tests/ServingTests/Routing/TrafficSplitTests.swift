import Testing

@testable import Serving

struct TrafficSplitTests {
  @Test(arguments: [
    (["blue": 90, "green": 10], 0, "blue"), (["blue": 90, "green": 10], 89, "blue"),
    (["blue": 90, "green": 10], 90, "green"), (["blue": 90, "green": 10], 99, "green"),
    (["blue": 0, "green": 100], 0, "green"), (["blue": 100], 99, "blue"),
  ])
  func `a draw falls to the deployment whose share it lies in`(
    traffic: [String: Int], draw: Int, expected: String
  ) {
    #expect(TrafficSplit(traffic).deployment(for: draw) == expected)
  }

  @Test func `without traffic no draw falls to anyone`() {
    #expect(TrafficSplit([:]).deployment(for: 0) == nil)
    #expect(TrafficSplit(["blue": 0]).deployment(for: 50) == nil)
  }

  @Test func `equal weights are equal whatever their order`() {
    #expect(
      TrafficSplit(["blue": 90, "green": 10]) == TrafficSplit(["green": 10, "blue": 90]))
    #expect(
      TrafficSplit(["blue": 90, "green": 10]) != TrafficSplit(["blue": 10, "green": 90]))
  }

  @Test func `ten thousand draws land within three standard deviations`() {
    let draws = TrafficDraws(seed: 42)
    let split = TrafficSplit(["blue": 90, "green": 10])
    var green = 0
    for _ in 0..<10_000 where split.deployment(for: draws.next(below: 100)) == "green" {
      green += 1
    }
    #expect((910...1090).contains(green), "10 % of 10,000, standard deviation 30: \(green)")
  }

  @Test func `every number below the bound is drawn`() {
    let draws = TrafficDraws(seed: 1)
    var seen = Set<Int>()
    for _ in 0..<5000 { seen.insert(draws.next(below: 100)) }
    #expect(seen == Set(0..<100))
  }
}
