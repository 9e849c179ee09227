import Executors
import Tensors

extension OperatorTable {
  static let einsteinSums: [OperatorDefinition] = [
    OperatorDefinition("Einsum", [12], numbers, others: [.same], maxInputs: .max) {
      context throws(ModelFormatError) in
      guard let equation = try context.string("equation") else {
        throw context.malformed("it has no equation")
      }
      guard let parsed = EinsumEquation(equation, inputs: context.inputTypes.count) else {
        throw context.malformed("equation '\(equation)' for \(context.inputTypes.count) inputs")
      }
      let type = try context.type(0)
      return BuiltOperator(Einsum(equation: parsed, type: type), type)
    }
  ]
}

/// `ij,jk->ik`: the axes of each input and of the output by letter; `...` stands for any more.
struct EinsumEquation: Sendable {
  /// Nil marks the place of an ellipsis.
  var inputs: [[Character?]]
  var output: [Character?]

  init?(_ text: String, inputs count: Int) {
    let plain = text.filter { $0 != " " }
    let sides = plain.split(separator: ">", omittingEmptySubsequences: false)
    guard sides.count <= 2, sides.count == 1 || sides[0].hasSuffix("-") else { return nil }
    let left = sides.count == 2 ? sides[0].dropLast() : sides[0]
    inputs = []
    for term in left.split(separator: ",", omittingEmptySubsequences: false) {
      guard let labels = EinsumEquation.labels(term) else { return nil }
      inputs.append(labels)
    }
    guard inputs.count == count else { return nil }
    if sides.count == 2 {
      guard let labels = EinsumEquation.labels(sides[1]) else { return nil }
      output = labels
      let letters = output.compactMap { $0 }
      let known = Set(inputs.flatMap { $0.compactMap { $0 } })
      guard Set(letters).count == letters.count, letters.allSatisfy(known.contains) else {
        return nil
      }
    } else {
      // Without an output: the letters that stand once, in order.
      let letters = inputs.flatMap { $0.compactMap { $0 } }
      let single = Set(letters).filter { letter in letters.count { $0 == letter } == 1 }
      output = inputs.contains { $0.contains(nil) } ? [nil] : []
      output += single.sorted().map { $0 }
    }
  }

  private static func labels(_ term: Substring) -> [Character?]? {
    var result: [Character?] = []
    var rest = term
    while let first = rest.first {
      if rest.hasPrefix("...") {
        guard !result.contains(nil) else { return nil }
        result.append(nil)
        rest = rest.dropFirst(3)
      } else if first.isLetter, first.isASCII {
        result.append(first)
        rest = rest.dropFirst()
      } else {
        return nil
      }
    }
    return result
  }
}

/// Sums products over every letter that the output does not have.
struct Einsum: NumberOperator {
  let equation: EinsumEquation
  let type: ElementType

  func run<Element: NumberElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    var tensors: [Tensor] = []
    for index in equation.inputs.indices { tensors.append(try scratch.input(index)) }
    // Axes of the loops: those behind an ellipsis counted from the end, then letters.
    var sizes: [String: Int] = [:]
    var names: [[String]] = []
    var ellipsis = 0
    for (tensor, labels) in zip(tensors, equation.inputs) {
      let letters = labels.count { $0 != nil }
      let extra = tensor.shape.rank - letters
      guard extra == 0 || (extra > 0 && labels.contains(nil)) else {
        throw OperatorError("shape \(tensor.shape) for \(letters) letters")
      }
      ellipsis = max(ellipsis, extra)
      var expanded: [String] = []
      for label in labels {
        if let label {
          expanded.append(String(label))
        } else {
          for back in stride(from: extra, to: 0, by: -1) { expanded.append(".\(back)") }
        }
      }
      for (axis, name) in expanded.enumerated() {
        let known = sizes[name] ?? 1
        guard known == 1 || tensor.shape[axis] == 1 || known == tensor.shape[axis] else {
          throw OperatorError("'\(name)' is \(known) and \(tensor.shape[axis])")
        }
        sizes[name] = known == 1 ? tensor.shape[axis] : known
      }
      names.append(expanded)
    }
    var outputNames: [String] = []
    for label in equation.output {
      if let label {
        outputNames.append(String(label))
      } else {
        for back in stride(from: ellipsis, to: 0, by: -1) { outputNames.append(".\(back)") }
      }
    }
    let summed = sizes.keys.filter { !outputNames.contains($0) }.sorted()
    let shape = try checkedShape(outputNames.map { sizes[$0] ?? 1 })
    let inner = try checkedShape(summed.map { sizes[$0] ?? 1 })
    let loops = (outputNames + summed).map { sizes[$0] ?? 1 }
    let steps = zip(tensors, names).map { tensor, expanded in
      let strides = rowMajorStrides(tensor.shape)
      // A letter that stands twice walks the diagonal; a size of 1 stretches.
      return (outputNames + summed).map { name in
        expanded.indices.reduce(0) {
          $0 + (expanded[$1] == name && tensor.shape[$1] != 1 ? strides[$1] : 0)
        }
      }
    }
    var bytes = shape.elementCount * MemoryLayout<Element>.stride
    for tensor in tensors { bytes += tensor.byteCount }
    try scratch.checkRoom(bytes, for: "its output \(shape) and a copy of what is summed")
    var output = try scratch.memory(0, shape)
    if shape.elementCount > 0 {
      var target = output.mutableValues(as: Element.self)
      try sum(tensors, steps, loops, inner: inner.elementCount, to: &target, scratch)
    }
    scratch.give(0, output)
  }

  private func sum<Element: NumberElement>(
    _ tensors: [Tensor], _ steps: [[Int]], _ loops: [Int], inner: Int,
    to target: inout MutableSpan<Element>, _ scratch: ONNXScratch
  ) throws(OperatorError) {
    var lists: [[Element]] = []
    for tensor in tensors {
      let values = tensor.values(as: Element.self)
      lists.append(values.indices.map { values[$0] })
    }
    var counters = [Int](repeating: 0, count: loops.count)
    var offsets = [Int](repeating: 0, count: tensors.count)
    // Products between two looks at the clock, which the innermost loop does without.
    let block = 1 << 16
    var left = block
    try scratch.stopAtDeadline()
    for place in target.indices {
      var total = Element.nothing
      var done = 0
      while done < inner {
        let count = min(left, inner - done)
        for _ in 0..<count {
          var product = Element.one
          for index in tensors.indices {
            product = Element.product(product, lists[index][offsets[index]])
          }
          total = Element.sum(total, product)
          var axis = loops.count - 1
          while axis >= 0 {
            counters[axis] += 1
            for index in offsets.indices { offsets[index] += steps[index][axis] }
            if counters[axis] < loops[axis] { break }
            for index in offsets.indices { offsets[index] -= steps[index][axis] * loops[axis] }
            counters[axis] = 0
            axis -= 1
          }
        }
        done += count
        left -= count
        if left == 0 {
          try scratch.stopAtDeadline()
          left = block
        }
      }
      target[place] = total
    }
  }
}
