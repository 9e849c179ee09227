import Executors
import Tensors

/// Gives back the column that it is made for.
struct EchoExecutor: ModelExecutor {
  let signature: ModelSignature
  var summary: String { "echo" }
  private let asBits: Bool

  /// - Parameter asBits: Whether each number is given as the integer of its bits.
  init(_ column: String, asBits: Bool = false) {
    self.asBits = asBits
    signature = ModelSignature(
      inputs: [ModelInput(name: "X", elementType: .float64, shape: [nil, 1], columns: [column])],
      outputs: [
        ModelOutput(name: "predict", kind: .tensor(asBits ? .int64 : .float64, shape: [nil]))
      ])
  }

  func makeScratch() -> Scratch { Scratch() }

  func predict(
    _ inputs: [Tensor?], outputs: [Int], scratch: Scratch
  ) throws(ExecutorError) -> [ModelValue] {
    guard let table = inputs[0] else { throw .missingInput("X") }
    let values = table.values(as: Double.self)
    let shape = Shape(values.count)
    guard asBits else {
      return [.tensor(Tensor(values.indices.map { values[$0] }, shape: shape))]
    }
    let bits = values.indices.map { Int64(bitPattern: values[$0].bitPattern) }
    return [.tensor(Tensor(bits, shape: shape))]
  }
}
