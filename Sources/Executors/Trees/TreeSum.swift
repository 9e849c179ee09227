internal import CTreeKernel

/// How side by side walks compare.
enum WalkQuestion: Sendable {
  case atMost, less
}

/// The values' and sums' type, and the C functions for it.
protocol TreeSum: BinaryFloatingPoint, BitwiseCopyable {
  /// Of the walks.
  associatedtype Node

  static func rank(
    _ values: UnsafePointer<Self>, _ stride: Int, _ count: Int, _ ranks: inout swerve_ranks,
    _ codes: UnsafeMutablePointer<Int8>, _ level: Int32)
  static func addTrees(
    _ level: Int32, _ form: Int32, _ nodes: [swerve_tree_node], _ trees: [swerve_tree],
    _ leaves: UnsafeRawPointer, _ codes: UnsafePointer<Int8>, _ area: UnsafeMutablePointer<Int8>,
    _ sums: UnsafeMutablePointer<Self>, _ groups: Int32)

  static func encodeRow(
    _ row: UnsafePointer<Self>, _ sources: [swerve_source], _ thresholds: [Double],
    _ firstRanks: [UInt16], _ codes: UnsafeMutablePointer<Int8>)
  static func addRows(
    _ trees: inout swerve_row_trees, _ leaves: UnsafeRawPointer, _ codes: UnsafePointer<Int8>,
    _ sums: UnsafeMutablePointer<Self>, _ rows: Int32, _ vectors: Int32)

  static func spread(
    _ row: UnsafePointer<Self>, _ features: Int, _ zeroLimit: Double,
    _ values: UnsafeMutablePointer<Self>, _ lanes: Int)
  static func walkRow(
    _ nodes: [Node], _ roots: [Int32], _ trees: Range<Int>, _ asks: WalkQuestion,
    _ values: UnsafePointer<Self>, _ reached: UnsafeMutablePointer<UInt32>)
  static func walkRows(
    _ nodes: [Node], _ root: Int32, _ asks: WalkQuestion, _ values: UnsafePointer<Self>,
    _ reached: UnsafeMutablePointer<UInt32>)
  static func leafValue(_ node: Node) -> Self
  /// The leaf's weights, where it has several.
  static func leafWeights(_ node: Node) -> Range<Int>
}

extension Double: TreeSum {
  static func rank(
    _ values: UnsafePointer<Double>, _ stride: Int, _ count: Int, _ ranks: inout swerve_ranks,
    _ codes: UnsafeMutablePointer<Int8>, _ level: Int32
  ) {
    swerve_rank_doubles(level, values, stride, count, &ranks, codes)
  }

  static func addTrees(
    _ level: Int32, _ form: Int32, _ nodes: [swerve_tree_node], _ trees: [swerve_tree],
    _ leaves: UnsafeRawPointer, _ codes: UnsafePointer<Int8>, _ area: UnsafeMutablePointer<Int8>,
    _ sums: UnsafeMutablePointer<Double>, _ groups: Int32
  ) {
    swerve_add_double_trees(
      level, form, nodes, trees, trees.count, leaves.assumingMemoryBound(to: Double.self), codes,
      area, sums, groups)
  }

  static func encodeRow(
    _ row: UnsafePointer<Double>, _ sources: [swerve_source], _ thresholds: [Double],
    _ firstRanks: [UInt16], _ codes: UnsafeMutablePointer<Int8>
  ) {
    swerve_encode_double_row(row, sources, sources.count, thresholds, firstRanks, codes)
  }

  static func addRows(
    _ trees: inout swerve_row_trees, _ leaves: UnsafeRawPointer, _ codes: UnsafePointer<Int8>,
    _ sums: UnsafeMutablePointer<Double>, _ rows: Int32, _ vectors: Int32
  ) {
    swerve_add_double_rows(
      &trees, leaves.assumingMemoryBound(to: Double.self), codes, sums, rows, vectors)
  }

  static func spread(
    _ row: UnsafePointer<Double>, _ features: Int, _ zeroLimit: Double,
    _ values: UnsafeMutablePointer<Double>, _ lanes: Int
  ) {
    swerve_spread_double_at_most(row, features, zeroLimit, values, lanes)
  }

  static func walkRow(
    _ nodes: [swerve_double_node], _ roots: [Int32], _ trees: Range<Int>, _ asks: WalkQuestion,
    _ values: UnsafePointer<Double>, _ reached: UnsafeMutablePointer<UInt32>
  ) {
    roots.withUnsafeBufferPointer { roots in
      guard let first = roots.baseAddress.map({ $0 + trees.lowerBound }) else { return }
      switch asks {
      case .atMost: swerve_walk_row_double_at_most(nodes, first, trees.count, values, reached)
      case .less: swerve_walk_row_double_less(nodes, first, trees.count, values, reached)
      }
    }
  }

  static func walkRows(
    _ nodes: [swerve_double_node], _ root: Int32, _ asks: WalkQuestion,
    _ values: UnsafePointer<Double>,
    _ reached: UnsafeMutablePointer<UInt32>
  ) {
    switch asks {
    case .atMost: swerve_walk_rows_double_at_most(nodes, root, values, reached)
    case .less: swerve_walk_rows_double_less(nodes, root, values, reached)
    }
  }

  static func leafWeights(_ node: swerve_double_node) -> Range<Int> {
    Int(node.first)..<Int(node.first) + Int(node.rules)
  }

  static func leafValue(_ node: swerve_double_node) -> Double { node.threshold }
}

extension Float: TreeSum {
  static func rank(
    _ values: UnsafePointer<Float>, _ stride: Int, _ count: Int, _ ranks: inout swerve_ranks,
    _ codes: UnsafeMutablePointer<Int8>, _ level: Int32
  ) {
    swerve_rank_floats(level, values, stride, count, &ranks, codes)
  }

  static func addTrees(
    _ level: Int32, _ form: Int32, _ nodes: [swerve_tree_node], _ trees: [swerve_tree],
    _ leaves: UnsafeRawPointer, _ codes: UnsafePointer<Int8>, _ area: UnsafeMutablePointer<Int8>,
    _ sums: UnsafeMutablePointer<Float>, _ groups: Int32
  ) {
    swerve_add_float_trees(
      level, form, nodes, trees, trees.count, leaves.assumingMemoryBound(to: Float.self), codes,
      area, sums, groups)
  }

  static func encodeRow(
    _ row: UnsafePointer<Float>, _ sources: [swerve_source], _ thresholds: [Double],
    _ firstRanks: [UInt16], _ codes: UnsafeMutablePointer<Int8>
  ) {
    swerve_encode_float_row(row, sources, sources.count, thresholds, firstRanks, codes)
  }

  static func addRows(
    _ trees: inout swerve_row_trees, _ leaves: UnsafeRawPointer, _ codes: UnsafePointer<Int8>,
    _ sums: UnsafeMutablePointer<Float>, _ rows: Int32, _ vectors: Int32
  ) {
    swerve_add_float_rows(
      &trees, leaves.assumingMemoryBound(to: Float.self), codes, sums, rows, vectors)
  }

  static func spread(
    _ row: UnsafePointer<Float>, _ features: Int, _ zeroLimit: Double,
    _ values: UnsafeMutablePointer<Float>, _ lanes: Int
  ) {
    swerve_spread_float_less(row, features, Float(zeroLimit), values, lanes)
  }

  static func walkRow(
    _ nodes: [swerve_float_node], _ roots: [Int32], _ trees: Range<Int>, _ asks: WalkQuestion,
    _ values: UnsafePointer<Float>, _ reached: UnsafeMutablePointer<UInt32>
  ) {
    roots.withUnsafeBufferPointer { roots in
      guard let first = roots.baseAddress.map({ $0 + trees.lowerBound }) else { return }
      switch asks {
      case .atMost: swerve_walk_row_float_at_most(nodes, first, trees.count, values, reached)
      case .less: swerve_walk_row_float_less(nodes, first, trees.count, values, reached)
      }
    }
  }

  static func walkRows(
    _ nodes: [swerve_float_node], _ root: Int32, _ asks: WalkQuestion,
    _ values: UnsafePointer<Float>,
    _ reached: UnsafeMutablePointer<UInt32>
  ) {
    switch asks {
    case .atMost: swerve_walk_rows_float_at_most(nodes, root, values, reached)
    case .less: swerve_walk_rows_float_less(nodes, root, values, reached)
    }
  }

  static func leafWeights(_ node: swerve_float_node) -> Range<Int> {
    Int(node.first)..<Int(node.first) + Int(node.rules)
  }

  static func leafValue(_ node: swerve_float_node) -> Float { node.threshold }
}
