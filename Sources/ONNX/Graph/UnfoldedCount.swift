/// How many nodes there are when every call of a function is unfolded, found without unfolding:
/// functions that call each other twice grow like powers of two.
struct UnfoldedCount {
  private let functions: [String: FunctionMessage]
  private var known: [String: Int] = [:]
  private var open: Set<String> = []

  init(_ functions: [String: FunctionMessage]) { self.functions = functions }

  /// `Int.max` stands for what is above. What calls itself, or is nested too deep, counts as one
  /// node: whoever unfolds it finds out.
  mutating func count(_ nodes: [NodeMessage]) -> Int {
    var sum = 0
    for node in nodes {
      add(1, to: &sum)
      for attribute in node.attributes {
        for graph in attribute.graphs { add(count(graph.nodes), to: &sum) }
      }
      let key = GraphReader.key(node.domain, node.operatorName, node.overload)
      if let function = functions[key] { add(count(function, key), to: &sum) }
    }
    return sum
  }

  private mutating func count(_ function: FunctionMessage, _ key: String) -> Int {
    if let count = known[key] { return count }
    guard open.count < ProtobufReader.maxDepth, open.insert(key).inserted else { return 0 }
    let count = count(function.nodes)
    open.remove(key)
    known[key] = count
    return count
  }

  private func add(_ count: Int, to sum: inout Int) {
    let (result, overflows) = sum.addingReportingOverflow(count)
    sum = overflows ? .max : result
  }
}
