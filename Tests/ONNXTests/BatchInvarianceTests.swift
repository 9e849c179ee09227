import Executors
import Glibc
import ONNX
import Tensors
import Testing

@Suite struct BatchInvarianceTests {
  @Test(arguments: Corpus.models.filter { ($0.inputs.first?.shape.first ?? 0) >= 30 })
  func `a row has the same bits alone, in pairs and among 64`(model: Corpus.Model) throws {
    let executor = try ONNXModel.load(path: "\(Corpus.folder)/\(model.name)/\(model.model)")
    let inputs = try executor.signature.inputs.map { input in
      try Corpus.tensor(try #require(model.inputs.first { $0.name == input.name }), of: model)
    }
    let scratch = executor.makeScratch()
    let outputs = Array(executor.signature.outputs.indices)
    func bits(_ rows: [Int]) throws -> [[UInt8]] {
      let part = inputs.map { input -> Tensor? in
        let columns = input.shape.elementCount / max(input.rowCount, 1)
        var writer = ElementWriter(
          reusing: Tensor(input.elementType, shape: Shape(0)),
          shape: input.shape.withRows(rows.count))
        for row in rows { writer.append(from: input, start: row * columns, count: columns) }
        return writer.finish()
      }
      var result = [[UInt8]](repeating: [], count: rows.count)
      for value in try executor.predict(part, outputs: outputs, scratch: scratch) {
        let tensor =
          switch value {
          case .tensor(let tensor): tensor
          case .maps(_, let values): values
          }
        for row in rows.indices {
          if tensor.elementType == .string {
            result[row] += Array(tensor.strings[row])
          } else {
            let size = tensor.byteCount / rows.count
            for byte in 0..<size {
              result[row].append(
                tensor.bytes.unsafeLoad(fromByteOffset: row * size + byte, as: UInt8.self))
            }
          }
        }
      }
      return result
    }
    let rows = inputs[0].rowCount
    let all = try bits((0..<64).map { $0 % rows })
    for row in 0..<min(rows, 64) {
      #expect(try bits([row])[0] == all[row])
      let pair = try bits([row, (row + 1) % rows])
      #expect(pair[0] == all[row])
      #expect(pair[1] == all[(row + 1) % rows])
    }
  }

  @Test(arguments: [([-1], [nil]), ([0], [nil, 3]), ([1], [nil, 3])] as [([Int], [Int?])])
  func `a normalization over the first axis says that it mixes rows`(
    axes: [Int], shape: [Int?]
  ) throws {
    let path = try ModelBytes.write(
      ModelBytes.model(
        nodes: [ModelBytes.node("MeanVarianceNormalization", ["x"], "y", lists: ["axes": axes])],
        tensors: [], inputs: [ModelBytes.value("x", shape)],
        output: ModelBytes.value("y", shape)))
    defer { unlink(path) }
    let model = try ONNXModel.load(path: path)
    #expect(model.batchDependentNodes.isEmpty == (axes == [1]))
  }
}
