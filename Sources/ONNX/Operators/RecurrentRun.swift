import Executors
import Tensors

/// One direction of a recurrent layer over a batch of sequences.
struct RecurrentRun<Element: FloatElement> {
  let cell: RecurrentCell
  let activations: [RecurrentActivation]
  let clip: Element?
  let steps: Int
  let batch: Int
  let inputs: Int
  let hiddenSize: Int
  /// Steps of each sequence; what follows is padding.
  let lengths: [Int]
  let runsBack: Bool
  let batchIsFirst: Bool
  let direction: Int
  let directions: Int
  /// Those of the input's product, then those of the state's.
  let biases: [Element]
  let peepholes: [Element]

  private var gateCount: Int { cell.gates * hiddenSize }

  /// - Parameters:
  ///   - input: Shape `(steps, batch, inputs)`, or batch first.
  ///   - weights: Shape `(inputs, gates · hidden)`, or the other way round; at any byte.
  ///   - states: Shape `(hidden, gates · hidden)`, or the other way round; at any byte.
  ///   - hidden: Shape `(batch, hidden)`, before and after.
  ///   - memory: The same, of an LSTM's cells.
  ///   - all: The layer's first output; zeros where a sequence has ended.
  func run(
    input: Span<Element>, weights: RawSpan, weightsAreTransposed: Bool, states: RawSpan,
    statesAreTransposed: Bool, hidden: inout [Element], memory: inout [Element],
    all: inout MutableSpan<Element>,
    _ scratch: ONNXScratch
  ) throws(OperatorError) {
    // In ONNX Runtime a sequence without a step ends in zeros, not in the state it began with.
    for sequence in 0..<batch where lengths[sequence] == 0 {
      for index in (sequence * hiddenSize)..<((sequence + 1) * hiddenSize) {
        hidden[index] = 0
        memory[index] = 0
      }
    }
    // Without a step nothing bounds what one would take.
    if steps == 0 { return }
    let (rows, overflows) = (steps * batch).multipliedReportingOverflow(by: gateCount)
    guard !overflows, rows <= scratch.maxBytes / 8 else {
      throw OperatorError("\(steps) steps of \(batch) sequences take too much memory")
    }
    var fromInput = [Element](repeating: 0, count: rows)
    layOutBiases(&fromInput)
    var product = fromInput.mutableSpan
    try Element.addProduct(
      input, weights: weights, isTransposed: weightsAreTransposed, rows: steps * batch,
      inner: inputs, columns: gateCount, to: &product, scratch)
    let candidate = candidateWeights(states, statesAreTransposed)
    var fromState = [Element](repeating: 0, count: batch * gateCount)
    for step in 0..<steps {
      try scratch.stopAtDeadline()
      for index in fromState.indices { fromState[index] = 0 }
      var target = fromState.mutableSpan
      Element.addProduct(
        hidden.span, weights: states, isTransposed: statesAreTransposed, rows: batch,
        inner: hiddenSize, columns: gateCount, to: &target)
      var reset: [Element] = []
      if case .gated(false) = cell {
        reset = resetProduct(step, fromInput, fromState, hidden, candidate)
      }
      for sequence in 0..<batch where step < lengths[sequence] {
        let time = runsBack ? lengths[sequence] - 1 - step : step
        let row = (batchIsFirst ? sequence * steps + time : time * batch + sequence) * gateCount
        let start = sequence * hiddenSize
        switch cell {
        case .plain:
          plain(row, sequence * gateCount, fromInput, fromState, &hidden, start)
        case .gated:
          gated(row, sequence * gateCount, fromInput, fromState, reset, &hidden, start)
        case .longShort(let couples):
          longShort(
            row, sequence * gateCount, fromInput, fromState, &hidden, &memory, start, couples)
        }
        let place =
          (batchIsFirst
            ? (sequence * steps + time) * directions + direction
            : (time * directions + direction) * batch + sequence) * hiddenSize
        for index in 0..<hiddenSize { all[place + index] = hidden[start + index] }
      }
    }
  }

  /// Both biases, but for the one that a GRU's reset gate multiplies.
  private func layOutBiases(_ target: inout [Element]) {
    var sums = [Element](repeating: 0, count: gateCount)
    for index in 0..<gateCount {
      sums[index] = biases[index]
      if case .gated(true) = cell, index >= 2 * hiddenSize { continue }
      sums[index] += biases[gateCount + index]
    }
    for row in 0..<(steps * batch) {
      for index in 0..<gateCount { target[row * gateCount + index] = sums[index] }
    }
  }

  /// The last third of a GRU's state weights, where its candidate has a product of its own.
  private func candidateWeights(_ states: RawSpan, _ isTransposed: Bool) -> [Element] {
    guard case .gated(false) = cell else { return [] }
    var result = [Element](repeating: 0, count: hiddenSize * hiddenSize)
    for row in 0..<hiddenSize {
      for column in 0..<hiddenSize {
        let gate = 2 * hiddenSize + column
        let place = isTransposed ? gate * hiddenSize + row : row * gateCount + gate
        result[row * hiddenSize + column] = states.unsafeLoadUnaligned(
          fromByteOffset: place * MemoryLayout<Element>.size, as: Element.self)
      }
    }
    return result
  }

  /// (r ⊙ h) · R of a GRU whose reset gate comes before the product.
  private func resetProduct(
    _ step: Int, _ fromInput: [Element], _ fromState: [Element], _ hidden: [Element],
    _ candidate: [Element]
  ) -> [Element] {
    var gatedState = [Element](repeating: 0, count: hidden.count)
    for sequence in 0..<batch where step < lengths[sequence] {
      let time = runsBack ? lengths[sequence] - 1 - step : step
      let row = (batchIsFirst ? sequence * steps + time : time * batch + sequence) * gateCount
      for index in 0..<hiddenSize {
        let gate = hiddenSize + index
        let reset = activations[0].apply(
          clipped(fromInput[row + gate] + fromState[sequence * gateCount + gate]))
        gatedState[sequence * hiddenSize + index] = reset * hidden[sequence * hiddenSize + index]
      }
    }
    var result = [Element](repeating: 0, count: hidden.count)
    var target = result.mutableSpan
    Element.addProduct(
      gatedState.span, candidate.span, rows: batch, inner: hiddenSize, columns: hiddenSize,
      to: &target)
    return result
  }

  @inline(__always)
  private func clipped(_ value: Element) -> Element {
    guard let clip else { return value }
    return value < -clip ? -clip : value > clip ? clip : value
  }

  private func plain(
    _ row: Int, _ other: Int, _ fromInput: [Element], _ fromState: [Element],
    _ hidden: inout [Element], _ start: Int
  ) {
    for index in 0..<hiddenSize {
      hidden[start + index] = activations[0].apply(
        clipped(fromInput[row + index] + fromState[other + index]))
    }
  }

  private func gated(
    _ row: Int, _ other: Int, _ fromInput: [Element], _ fromState: [Element], _ reset: [Element],
    _ hidden: inout [Element], _ start: Int
  ) {
    for index in 0..<hiddenSize {
      let update = activations[0].apply(
        clipped(fromInput[row + index] + fromState[other + index]))
      let last = 2 * hiddenSize + index
      let recurrent: Element
      if case .gated(true) = cell {
        let gate = hiddenSize + index
        let opening = activations[0].apply(
          clipped(fromInput[row + gate] + fromState[other + gate]))
        recurrent = opening * (fromState[other + last] + biases[gateCount + last])
      } else {
        recurrent = reset[start + index]
      }
      let candidate = activations[1].apply(clipped(fromInput[row + last] + recurrent))
      hidden[start + index] = (1 - update) * candidate + update * hidden[start + index]
    }
  }

  private func longShort(
    _ row: Int, _ other: Int, _ fromInput: [Element], _ fromState: [Element],
    _ hidden: inout [Element], _ memory: inout [Element], _ start: Int, _ couplesForget: Bool
  ) {
    for index in 0..<hiddenSize {
      func gate(_ number: Int) -> Element {
        let place = number * hiddenSize + index
        return fromInput[row + place] + fromState[other + place]
      }
      let old = memory[start + index]
      let input = activations[0].apply(clipped(gate(0) + peepholes[index] * old))
      let forget =
        couplesForget
        ? 1 - input
        : activations[0].apply(clipped(gate(2) + peepholes[2 * hiddenSize + index] * old))
      let candidate = activations[1].apply(clipped(gate(3)))
      let new = forget * old + input * candidate
      memory[start + index] = new
      let output = activations[0].apply(clipped(gate(1) + peepholes[hiddenSize + index] * new))
      hidden[start + index] = output * activations[2].apply(new)
    }
  }
}
