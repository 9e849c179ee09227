import Executors
import Glibc
import ONNX
import Tensors

/// Measures one model on one thread, for loadtest/engines.
///
/// `engine-run --model FILE --input [NAME=]FILE.npy… [--rows N] [--seconds S] [--output FILE]
/// [--turns] [--kernels best|avx2|portable|plain]`. Loads the model, scores the input once, and then again and again in calls of N rows
/// (0: all at once) for S seconds. Each turn is one line of JSON: microseconds a row, the median of
/// the samples and their quartiles. With `--turns` each line `N S` of standard input asks for a turn,
/// so that a script can let several programs take turns. `--output` gets the predictions as `.npy`;
/// a model's second output goes to `FILE.1`, and so on.
@main struct EngineRun {
  static func main() {
    do {
      let settings = Settings(CommandLine.arguments)
      let begin = nanoseconds()
      let file = try ModelFile(path: settings.model)
      let executor =
        ModelFormat.detect(file) == .onnx
        ? try ONNXModel.load(path: settings.model)
        : try NativeModel.load(file, kernels: settings.kernels)
      let loadMilliseconds = Double(nanoseconds() - begin) / 1e6
      var measuring = try Measuring(executor, settings.inputs)
      if !settings.output.isEmpty {
        try measuring.writePredictions(rows: settings.rows, to: settings.output)
      }
      func turn(rows: Int, seconds: Double) throws {
        let turn = try measuring.turn(rows: rows, seconds: seconds)
        print(
          #"{"us_per_row":\#(turn.quartiles[1]),"low":\#(turn.quartiles[0]),"#
            + #""high":\#(turn.quartiles[2]),"rows":\#(turn.rows),"calls":\#(turn.calls),"#
            + #""load_ms":\#(loadMilliseconds),"summary":"\#(executor.summary)"}"#)
        fflush(nil)
      }
      guard settings.takesTurns else {
        return try turn(rows: settings.rows, seconds: settings.seconds)
      }
      while let line = readLine() {
        let words = line.split(separator: " ")
        guard words.count == 2, let rows = Int(words[0]), let seconds = Double(words[1]) else {
          end("'\(line)' asks for no turn; expected 'ROWS SECONDS'")
        }
        try turn(rows: rows, seconds: seconds)
      }
    } catch {
      end("\(error)")
    }
  }
}

/// A model with its input, ready to be called.
struct Measuring {
  struct Turn {
    /// Microseconds a row: the first quartile, the median and the third.
    var quartiles: [Double]
    /// Of a call.
    var rows: Int
    var calls: Int
  }

  /// Calls are timed together until they take so long: a look at the clock is then nothing.
  private static let sampleNanoseconds = 50_000.0
  /// More calls than these have the same rows again: a row's tensor takes some memory too.
  private static let maxBlocks = 4096

  private let executor: any ModelExecutor
  private let scratch: Scratch
  private let inputs: [Tensor?]
  private let rowCount: Int
  /// Each call's tensors, by the rows of a call.
  private var blocks: [Int: [[Tensor?]]] = [:]

  init(_ executor: any ModelExecutor, _ files: [(name: String?, path: String)]) throws {
    self.executor = executor
    scratch = executor.makeScratch()
    let signature = executor.signature
    var inputs: [Tensor?] = Array(repeating: nil, count: signature.inputs.count)
    for (position, file) in files.enumerated() {
      let index = file.name.map { signature.inputIndex(named: $0) } ?? position
      guard let index, index < inputs.count else {
        let names = signature.inputs.map(\.name).joined(separator: ", ")
        end("\(file.name ?? "a further input") is no input of the model; it takes \(names)")
      }
      let tensor = try NPYFormat.read(bytes(of: file.path))
      let input = signature.inputs[index]
      let converted = input.elementType == tensor.elementType ? tensor : convert(tensor, input)
      guard input.accepts(converted.shape) else {
        end("\(file.path) has shape \(tensor.shape); '\(input.name)' takes \(input.shape)")
      }
      inputs[index] = converted
    }
    for (input, tensor) in zip(signature.inputs, inputs) where tensor == nil && input.isRequired {
      end("--input \(input.name)=FILE.npy is missing")
    }
    self.inputs = inputs
    rowCount = inputs.compactMap { $0?.rowCount }.max() ?? 0
    guard rowCount > 0 else { end("the input has no rows") }
  }

  /// As many of the input's rows as make whole calls; an input of other rows goes whole into each.
  private mutating func blocks(of rows: Int) -> [[Tensor?]] {
    if let known = blocks[rows] { return known }
    let made = (0..<min(rowCount / rows, Measuring.maxBlocks)).map { block in
      inputs.map { tensor -> Tensor? in
        guard let tensor, tensor.shape.rank > 0, tensor.rowCount == rowCount else { return tensor }
        return tensor.rows(block * rows..<(block + 1) * rows)
      }
    }
    blocks[rows] = made
    return made
  }

  mutating func turn(rows asked: Int, seconds: Double) throws -> Turn {
    let rows = asked > 0 ? min(asked, rowCount) : rowCount
    let blocks = blocks(of: rows)
    let outputs = executor.signature.defaultOutputs
    var next = 0
    func call(_ count: Int) throws -> Double {
      let begin = nanoseconds()
      for _ in 0..<count {
        _ = try executor.predict(blocks[next], outputs: outputs, scratch: scratch)
        next = next + 1 == blocks.count ? 0 : next + 1
      }
      return Double(nanoseconds() - begin)
    }
    // The first calls fill the caches; those after it say how many make a sample.
    _ = try call(1)
    var atOnce = 1
    while try call(atOnce) < Measuring.sampleNanoseconds { atOnce *= 2 }
    let deadline = nanoseconds() + UInt64(seconds * 1e9)
    var samples: [Double] = []
    repeat {
      samples.append(try call(atOnce) / Double(atOnce * rows) / 1000)
    } while nanoseconds() < deadline
    samples.sort()
    return Turn(
      quartiles: [0.25, 0.5, 0.75].map { samples[Int($0 * Double(samples.count - 1))] },
      rows: rows, calls: samples.count * atOnce)
  }

  /// The predictions of all rows, also of those that make no whole call.
  func writePredictions(rows asked: Int, to path: String) throws {
    let rows = asked > 0 ? min(asked, rowCount) : rowCount
    let outputs = executor.signature.defaultOutputs
    var parts: [[Tensor]] = Array(repeating: [], count: outputs.count)
    for start in stride(from: 0, to: rowCount, by: rows) {
      let block = inputs.map { tensor -> Tensor? in
        guard let tensor, tensor.shape.rank > 0, tensor.rowCount == rowCount else { return tensor }
        return tensor.rows(start..<min(start + rows, rowCount))
      }
      let values = try executor.predict(block, outputs: outputs, scratch: scratch)
      for (index, value) in values.enumerated() {
        switch value {
        case .tensor(let tensor), .maps(_, let tensor): parts[index].append(tensor)
        }
      }
    }
    for (index, tensors) in parts.enumerated() {
      guard var whole = tensors.first, whole.elementType != .string else { continue }
      if tensors.count > 1 { whole.join(tensors) }
      write(NPYFormat.write(whole), to: index == 0 ? path : "\(path).\(index)")
    }
  }
}

struct Settings {
  var model = ""
  var inputs: [(name: String?, path: String)] = []
  /// Of a call; 0: all.
  var rows = 0
  var seconds = 1.0
  var output = ""
  var takesTurns = false
  var kernels = TreeKernels.best

  init(_ arguments: [String]) {
    var rest = arguments.dropFirst()
    while let option = rest.popFirst() {
      if option == "--turns" {
        takesTurns = true
        continue
      }
      func number<Number: LosslessStringConvertible>(_ text: String) -> Number {
        guard let number = Number(text) else { end("\(option) is '\(text)'; expected a number") }
        return number
      }
      guard let value = rest.popFirst() else { end("\(option) needs a value") }
      switch option {
      case "--model": model = value
      case "--input":
        let parts = value.split(separator: "=", maxSplits: 1).map(String.init)
        inputs.append(parts.count == 2 ? (parts[0], parts[1]) : (nil, value))
      case "--rows": rows = number(value)
      case "--seconds": seconds = number(value)
      case "--output": output = value
      case "--kernels":
        let known = [
          "best": TreeKernels.best, "avx2": .avx2, "portable": .portable, "plain": .plain,
        ]
        guard let chosen = known[value] else {
          end("--kernels is '\(value)'; expected one of \(known.keys.sorted())")
        }
        kernels = chosen
      default: end("unknown option \(option)")
      }
    }
    if model.isEmpty || inputs.isEmpty { end("--model and --input are needed") }
  }
}

/// The numbers in the model's type: a float32 file for a model of float64, and the other way round.
private func convert(_ tensor: Tensor, _ input: ModelInput) -> Tensor {
  switch (tensor.elementType, input.elementType) {
  case (.float32, .float64):
    let values = tensor.values(as: Float.self)
    return Tensor(values.indices.map { Double(values[$0]) }, shape: tensor.shape)
  case (.float64, .float32):
    let values = tensor.values(as: Double.self)
    return Tensor(values.indices.map { Float(values[$0]) }, shape: tensor.shape)
  default:
    end(
      "'\(input.name)' takes \(input.elementType.name); the file holds \(tensor.elementType.name)")
  }
}

private func bytes(of path: String) -> [UInt8] {
  guard let file = fopen(path, "rb") else {
    end("'\(path)' cannot be read: \(String(cString: strerror(errno)))")
  }
  defer { fclose(file) }
  var bytes: [UInt8] = []
  var block = [UInt8](repeating: 0, count: 1 << 20)
  while case let count = fread(&block, 1, block.count, file), count > 0 {
    bytes += block[..<count]
  }
  return bytes
}

private func write(_ bytes: [UInt8], to path: String) {
  guard let file = fopen(path, "wb") else {
    end("'\(path)' cannot be written: \(String(cString: strerror(errno)))")
  }
  defer { fclose(file) }
  if fwrite(bytes, 1, bytes.count, file) != bytes.count { end("'\(path)' cannot be written") }
}

private func nanoseconds() -> UInt64 {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

private func end(_ reason: String) -> Never {
  let line = Array("engine-run: \(reason)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(2)
}
