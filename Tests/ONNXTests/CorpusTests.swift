import Executors
import Foundation
import ONNX
import Tensors
import Testing

@Suite struct CorpusTests {
  @Test func `the corpus is there, or this is not CI`() {
    if Corpus.models.isEmpty { print("skipped: no corpus at \(Corpus.folder)") }
    #expect(!Corpus.models.isEmpty || ProcessInfo.processInfo.environment["CI"] != "true")
  }

  @Test(arguments: Corpus.models)
  func `a corpus model answers as its library`(model: Corpus.Model) throws {
    let executor = try ONNXModel.load(path: "\(Corpus.folder)/\(model.name)/\(model.model)")
    let inputs = try executor.signature.inputs.map { input in
      try model.inputs.first { $0.name == input.name }.map { try Corpus.tensor($0, of: model) }
    }
    let scratch = executor.makeScratch()
    let outputs = Array(executor.signature.outputs.indices)
    for _ in 0..<2 {
      let values = try executor.predict(inputs, outputs: outputs, scratch: scratch)
      for (output, value) in zip(executor.signature.outputs, values) {
        switch value {
        case .tensor(let tensor): try compare(tensor, output.name, model)
        case .maps(let keys, let values):
          try compare(keys, output.name + ".keys", model)
          try compare(values, output.name + ".values", model)
        }
      }
    }
  }

  private func compare(_ got: Tensor, _ name: String, _ model: Corpus.Model) throws {
    let item = try #require(model.outputs.first { $0.name == name })
    let want = try Corpus.tensor(item, of: model)
    let found = difference(
      got, want, rtol: item.compare?.rtol ?? 0, atol: item.compare?.atol ?? 0)
    #expect(found == nil, "\(model.name), \(name)")
  }
}
