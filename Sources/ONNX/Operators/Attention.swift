import Executors
import Tensors

extension OperatorTable {
  static let attention: [OperatorDefinition] = [
    OperatorDefinition(
      "Attention", [23, 24, 25], floats,
      others: [
        .same, .same, .one(of: [.float32, .float64, .bfloat16, .bool]), .same, .same, .int64,
      ], minInputs: 3, maxInputs: 7
    ) { context throws(ModelFormatError) in
      let type = try context.type(0)
      var settings = Attention(
        isCausal: try context.integer("is_causal") ?? 0 != 0,
        queryHeads: try context.integer("q_num_heads") ?? 0,
        keyHeads: try context.integer("kv_num_heads") ?? 0,
        scale: try context.float("scale"), softcap: try context.float("softcap") ?? 0,
        outputMode: try context.integer("qk_matmul_output_mode") ?? 0, type: type)
      guard (0...3).contains(settings.outputMode) else {
        throw context.malformed("qk_matmul_output_mode is \(settings.outputMode)")
      }
      // Element types, by ONNX's numbers: 1 is float, 11 double.
      if let precision = try context.integer("softmax_precision"),
        precision != (type == .float64 ? 11 : 1)
      {
        throw context.unsupported("softmax_precision \(precision) of \(type.name) is not run")
      }
      if context.version >= 25 {
        settings.before = try context.integer("left_window_size") ?? -1
        settings.after = try context.integer("right_window_size") ?? -1
        guard settings.before >= -1, settings.after >= -1 else {
          throw context.malformed("a window of \(settings.before) and \(settings.after)")
        }
      }
      settings.isHalf = context.halfInputs.contains(0)
      if context.has(3), settings.isHalf {
        // ONNX Runtime has no kernel for others, and its stand-in rounds elsewhere.
        let mask = try context.type(3)
        guard mask == .bool || context.halfInputs.contains(3) else {
          throw context.unsupported("a mask of \(mask.name) with queries of float16 is not run")
        }
      }
      guard type != .float64 || !settings.isCausal || !context.has(6) else {
        throw context.unsupported("is_causal of float64 with nonpad_kv_seqlen is not run")
      }
      let outputs = context.node.outputs
      settings.roundsBeforeMask =
        settings.softcap > 0 || (outputs.count > 3 && outputs[3] != nil && settings.outputMode < 2)
      guard context.has(4) == context.has(5), !context.has(4) || !context.has(6) else {
        throw context.malformed("its past needs a key and a value, and no nonpad_kv_seqlen")
      }
      return BuiltOperator(settings, type, type, type, type)
    }
  ]
}

/// softmax(Q · Kᵀ · scale + bias) · V for each sample and head: no sample knows of another.
///
/// Source: the function body in onnx/defs/nn/defs.cc, and reference/ops/op_attention.py.
struct Attention: FloatOperator {
  let isCausal: Bool
  /// For inputs of rank 3.
  let queryHeads: Int
  let keyHeads: Int
  /// Nil: 1 / √size.
  let scale: Float?
  /// 0: none.
  let softcap: Float
  /// What output 3 is: 0 the scores, 1 capped, 2 with the bias, 3 the probabilities.
  let outputMode: Int
  let type: ElementType
  /// How far keys may lie before and after the query; -1: any distance.
  var before = -1
  var after = -1
  /// Whether all are half floats, computed in float and rounded where ONNX Runtime rounds: the
  /// scores, the capped ones, those with the bias, the probabilities and the answer.
  var isHalf = false
  /// Whether scores are rounded before the mask is added; else its sum with them is.
  var roundsBeforeMask = false
  /// The present keys are the keys themselves where there is no past.
  var sharesInput: Bool { true }

  func run<Element: FloatElement>(
    _ scratch: ONNXScratch, as _: Element.Type
  ) throws(OperatorError) {
    let query = try scratch.input(0)
    let queries = try HeadLayout(query.shape, heads: queryHeads)
    let keys = try joined(try scratch.input(1), past: scratch.optionalInput(4))
    let values = try joined(try scratch.input(2), past: scratch.optionalInput(5))
    let (heads, length, total) = (queries.heads, queries.length, keys.shape[2])
    guard keys.shape[0] == queries.batches, values.shape[0] == queries.batches,
      keys.shape[1] == values.shape[1], keys.shape[1] > 0, heads % keys.shape[1] == 0,
      values.shape[2] == total, keys.shape[3] == queries.size
    else {
      throw OperatorError(
        "queries \(query.shape), keys \(keys.shape) and values \(values.shape) do not fit")
    }
    let pastLength = scratch.optionalInput(4)?.shape[2] ?? 0
    // ONNX Runtime hides no key then, where ONNX hides those behind the query.
    guard !isCausal || pastLength == 0 || length != 1 || total - pastLength <= 1 else {
      throw OperatorError(
        "is_causal with a past, one query and \(total - pastLength) new keys is not run")
    }
    let bias = try AttentionBias<Element>(
      mask: try mask(scratch), lengths: try scratch.integers(6), attention: self,
      batches: queries.batches, heads: heads, queries: length, keys: total, past: pastLength)
    let size = values.shape[3]
    let (width, overflows) = heads.multipliedReportingOverflow(by: size)
    guard !overflows else { throw OperatorError("\(heads) heads of \(size) are too many") }
    let shape = try checkedShape(
      queries.isSplit ? [queries.batches, heads, length, size] : [queries.batches, length, width])
    let scoreShape = try checkedShape([queries.batches, heads, length, total])
    let block = try checkedShape([length, total]).elementCount
    guard block <= scratch.maxBytes / 16 else {
      throw OperatorError("\(length) queries and \(total) keys are too many")
    }
    var output = try scratch.memory(0, shape)
    let wantsScores = scratch.wants(output: 3)
    var allScores =
      wantsScores ? try scratch.memory(3, scoreShape) : Tensor(type, shape: Shape(0))
    // There may be ever so many samples of nothing.
    let isEmpty = shape.elementCount == 0 && allScores.shape.elementCount == 0
    // A float, whatever the type.
    let factor = Element((scale ?? 1 / Float(queries.size).squareRoot()).squareRoot())
    if !isEmpty {
      let q = query.values(as: Element.self)
      let k = keys.values(as: Element.self)
      let v = values.values(as: Element.self)
      var target = output.mutableValues(as: Element.self)
      var kept = allScores.mutableValues(as: Element.self)
      var rows = [Element](repeating: 0, count: length * queries.size)
      var columns = [Element](repeating: 0, count: queries.size * total)
      var scores = [Element](repeating: 0, count: block)
      var terms = scores
      var answer = [Element](repeating: 0, count: length * size)
      let group = heads / keys.shape[1]
      for batch in 0..<queries.batches {
        for head in 0..<heads {
          try scratch.stopAtDeadline()
          let keyBlock = batch * keys.shape[1] + head / group
          for place in 0..<length {
            let first = queries.start(batch, head, place)
            for index in 0..<queries.size {
              rows[place * queries.size + index] = q[first + index] * factor
            }
          }
          for place in 0..<total {
            let first = (keyBlock * total + place) * queries.size
            for index in 0..<queries.size {
              columns[index * total + place] = k[first + index] * factor
            }
          }
          for index in scores.indices { scores[index] = 0 }
          var sums = scores.mutableSpan
          try Element.addProduct(
            rows.span, columns.span, rows: length, inner: queries.size, columns: total, to: &sums,
            scratch)
          bias.lay(batch, head, to: &terms)
          let place = (batch * heads + head) * block
          finish(&scores, terms, rowLength: total, keeping: wantsScores, at: place, in: &kept)
          for index in answer.indices { answer[index] = 0 }
          var results = answer.mutableSpan
          let start = keyBlock * total * size
          try Element.addProduct(
            scores.span, v.extracting(start..<(start + total * size)), rows: length, inner: total,
            columns: size, to: &results, scratch)
          for place in 0..<length {
            let first =
              queries.isSplit
              ? ((batch * heads + head) * length + place) * size
              : ((batch * length + place) * heads + head) * size
            for index in 0..<size { target[first + index] = answer[place * size + index] }
          }
        }
      }
    }
    scratch.give(0, output)
    scratch.give(1, keys)
    scratch.give(2, values)
    if wantsScores { scratch.give(3, allScores) }
  }

  /// Booleans, or what is added.
  private func mask(_ scratch: ONNXScratch) throws(OperatorError) -> Tensor? {
    guard let mask = scratch.optionalInput(3), mask.elementType != .bool else {
      return scratch.optionalInput(3)
    }
    return try converted(mask, to: type)
  }

  /// Scores to probabilities. A query that may see no key has none: all are 0.
  private func finish<Element: FloatElement>(
    _ scores: inout [Element], _ bias: [Element], rowLength: Int, keeping: Bool, at place: Int,
    in kept: inout MutableSpan<Element>
  ) {
    func keep(_ mode: Int) {
      if keeping, outputMode == mode {
        for index in scores.indices { kept[place + index] = scores[index] }
      }
    }
    func round() {
      if !isHalf { return }
      for index in scores.indices { scores[index] = Element(Float16(scores[index])) }
    }
    if roundsBeforeMask { round() }
    keep(0)
    if softcap > 0 {
      let cap = Element(softcap)
      for index in scores.indices {
        scores[index] = Element.tanh(scores[index] / cap) * cap
      }
      round()
    }
    keep(1)
    for index in scores.indices { scores[index] += bias[index] }
    round()
    keep(2)
    let lowest: Element = hidden()
    for first in stride(from: 0, to: scores.count, by: max(rowLength, 1)) {
      let row = first..<(first + rowLength)
      var largest = -Element.infinity
      var seesNothing = true
      for index in row {
        if bias[index] > lowest { seesNothing = false }
        largest = Element.maximum(largest, scores[index])
      }
      // Of doubles nothing is left but NaN, as in ONNX Runtime, which has no kernel for them.
      if type != .float64, seesNothing || largest == -.infinity {
        for index in row { scores[index] = 0 }
        continue
      }
      var sum: Element = 0
      for index in row {
        scores[index] = Element.exp(scores[index] - largest)
        sum += scores[index]
      }
      for index in row { scores[index] /= sum }
    }
    round()
    keep(3)
  }

  /// What is added to the score of a key that a query may not see. A mask may hold it, too.
  fileprivate func hidden<Element: FloatElement>() -> Element {
    if type == .float64 { return -.infinity }
    return isHalf ? -Element(Float16.greatestFiniteMagnitude) : -Element.greatestFiniteMagnitude
  }

  /// `(batch, heads, past + sequence, size)`.
  private func joined(_ tensor: Tensor, past: Tensor?) throws(OperatorError) -> Tensor {
    let layout = try HeadLayout(tensor.shape, heads: keyHeads)
    var before = 0
    if let past {
      guard past.shape.rank == 4, past.shape[0] == layout.batches, past.shape[1] == layout.heads,
        past.shape[3] == layout.size
      else { throw OperatorError("a past of \(past.shape) before \(tensor.shape)") }
      before = past.shape[2]
    } else if layout.isSplit {
      return tensor
    }
    let (total, overflows) = before.addingReportingOverflow(layout.length)
    guard !overflows else { throw OperatorError("the past is too long") }
    let shape = try checkedShape([layout.batches, layout.heads, total, layout.size])
    var writer = ElementWriter(reusing: Tensor(type, shape: Shape(0)), shape: shape)
    for batch in 0..<(shape.elementCount == 0 ? 0 : layout.batches) {
      for head in 0..<layout.heads {
        if let past {
          let run = before * layout.size
          writer.append(from: past, start: (batch * layout.heads + head) * run, count: run)
        }
        writer.append(
          from: tensor, start: layout.start(batch, head, 0), rows: layout.length,
          rowStride: layout.isSplit ? layout.size : layout.heads * layout.size, stride: 1,
          count: layout.size)
      }
    }
    return writer.finish()
  }
}

/// What is added to the scores: the mask, and the lowest number where a query may not see a key.
private struct AttentionBias<Element: FloatElement> {
  let mask: Tensor?
  /// Strides over batch, head and query.
  private var strides: [Int] = [0, 0, 0]
  let lengths: [Int]?
  let attention: Attention
  let queries: Int
  let keys: Int
  let past: Int

  init(
    mask: Tensor?, lengths: [Int]?, attention: Attention, batches: Int, heads: Int, queries: Int,
    keys: Int, past: Int
  ) throws(OperatorError) {
    self.mask = mask
    self.lengths = lengths
    self.attention = attention
    self.queries = queries
    self.keys = keys
    self.past = past
    if let lengths {
      guard lengths.count == batches, lengths.allSatisfy({ $0 >= 0 && $0 <= 1 << 40 }) else {
        throw OperatorError("nonpad_kv_seqlen \(lengths) for \(batches) samples")
      }
    }
    guard let mask else { return }
    let rank = mask.shape.rank
    guard rank >= 1, rank <= 4, mask.shape[rank - 1] <= keys else {
      throw OperatorError("a mask of \(mask.shape) for \(queries) queries and \(keys) keys")
    }
    var stride = mask.shape[rank - 1]
    for (back, size) in [(2, queries), (3, heads), (4, batches)] where back <= rank {
      let own = mask.shape[rank - back]
      guard own == 1 || own == size else {
        throw OperatorError("a mask of \(mask.shape) for \(queries) queries and \(keys) keys")
      }
      strides[4 - back] = own == 1 ? 0 : stride
      stride *= own
    }
  }

  func lay(_ batch: Int, _ head: Int, to bias: inout [Element]) {
    let hidden: Element = attention.hidden()
    for index in bias.indices { bias[index] = 0 }
    if let mask { add(mask, batch * strides[0] + head * strides[1], to: &bias) }
    // The query's own place among the keys.
    let offset = lengths.map { $0[batch] - queries } ?? past
    let known = lengths.map { $0[batch] } ?? keys
    for query in 0..<queries {
      let place = query + offset
      for key in 0..<keys {
        let isHidden =
          (attention.isCausal && key > place) || key >= known
          || (attention.before >= 0 && place - key > attention.before)
          || (attention.after >= 0 && key - place > attention.after)
        if isHidden { bias[query * keys + key] = hidden }
      }
    }
  }

  /// A mask that is shorter than the keys hides the rest.
  private func add(_ mask: Tensor, _ start: Int, to bias: inout [Element]) {
    let hidden: Element = attention.hidden()
    let width = mask.shape[mask.shape.rank - 1]
    for query in 0..<queries {
      let first = start + query * strides[2]
      if mask.elementType == .bool {
        let sees = mask.values(as: UInt8.self)
        for key in 0..<width where sees[first + key] == 0 {
          bias[query * keys + key] = hidden
        }
      } else {
        let terms = mask.values(as: Element.self)
        for key in 0..<width { bias[query * keys + key] = terms[first + key] }
      }
      for key in width..<max(width, keys) { bias[query * keys + key] = hidden }
    }
  }
}
