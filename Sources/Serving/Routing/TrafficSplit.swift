/// Which deployment answers, by weight. A pure value.
package struct TrafficSplit: Sendable, Equatable {
  /// Names in lower case with their percent, in a fixed order.
  package let weights: [(name: String, percent: Int)]

  /// - Precondition: each percent in 0...100, the sum 0 or 100.
  package init(_ traffic: [String: Int]) {
    weights = traffic.sorted { $0.key < $1.key }.map { (name: $0.key, percent: $0.value) }
    let sum = weights.reduce(0) { $0 + $1.percent }
    precondition(
      (sum == 0 || sum == 100) && weights.allSatisfy { (0...100).contains($0.percent) },
      "traffic \(traffic)")
  }

  /// The deployment for `draw`, `0..<100`; nil when no deployment has any traffic.
  package func deployment(for draw: Int) -> String? {
    var end = 0
    for (name, percent) in weights {
      end += percent
      if draw < end { return name }
    }
    return nil
  }

  package static func == (left: TrafficSplit, right: TrafficSplit) -> Bool {
    left.weights.elementsEqual(right.weights) { $0 == $1 }
  }
}
