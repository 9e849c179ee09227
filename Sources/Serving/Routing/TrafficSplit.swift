/// Which deployment answers, by weight. A pure value.
package struct TrafficSplit: Sendable, Equatable {
  /// Names in lower case with their percent, in a fixed order.
  package let weights: [(name: String, percent: Int)]

  /// - Precondition: each percent in 0...100, the sum 0 or 100.
  package init(_ traffic: [String: Int]) {
    weights = traffic.sorted { $0.key < $1.key }.map { (name: $0.key, percent: $0.value) }
  }

  /// The deployment for `draw`, `0..<100`; nil when no deployment has any traffic.
  package func deployment(for draw: Int) -> String? { fatalError("skeleton") }

  package static func == (left: TrafficSplit, right: TrafficSplit) -> Bool {
    left.weights.elementsEqual(right.weights) { $0 == $1 }
  }
}
