import Executors
import ONNX
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Scores ONNX models for `run.py`: one case a line of standard input, one answer a line.
///
/// A case is a folder: `model.onnx`, `in.N` for graph input N where a value is given. Answered
/// with `ok` and `out.N` for each output, `refused` and why the model does not load, or `failed`
/// and why it does not run.
@main struct ONNXScore {
  static func main() {
    while let folder = readLine() {
      print(answer(folder).replacing("\n", with: " "))
      fflush(nil)
    }
  }

  private static func answer(_ folder: String) -> String {
    let executor: any ModelExecutor
    do {
      executor = try ONNXModel.load(path: folder + "/model.onnx")
    } catch {
      return "refused\t\(error)"
    }
    do {
      var inputs: [Tensor?] = []
      for index in executor.signature.inputs.indices {
        inputs.append(try TensorFile.read("\(folder)/in.\(index)"))
      }
      let outputs = Array(executor.signature.outputs.indices)
      let scratch = executor.makeScratch()
      // Twice: the second time meets memory that the first one left.
      _ = try executor.predict(inputs, outputs: outputs, scratch: scratch)
      let values = try executor.predict(inputs, outputs: outputs, scratch: scratch)
      for (index, value) in values.enumerated() {
        switch value {
        case .tensor(let tensor): try TensorFile.write(tensor, "\(folder)/out.\(index)")
        case .maps(_, let values): try TensorFile.write(values, "\(folder)/out.\(index)")
        }
      }
      return "ok"
    } catch {
      return "failed\t\(error)"
    }
  }
}
