import Documents
import Executors
import ONNX
import Serving
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A reader of foreign bytes, as the fuzzer and the plain tests of its seeds call it.
///
/// Whatever the bytes are: an error or a value, never a trap.
package enum FuzzedReader: String, CaseIterable, Sendable {
  case onnx
  case xgboostJSON = "xgboost-json"
  case xgboostUBJSON = "xgboost-ubj"
  case lightGBM = "lightgbm"
  case body, rows, yaml

  /// - Returns: Whether the bytes were taken.
  @discardableResult
  package func read(_ bytes: UnsafeRawBufferPointer) -> Bool {
    switch self {
    case .onnx: loads { try FuzzedReader.onnx(bytes) }
    case .xgboostJSON: loads { try NativeModel.loadXGBoostJSON(bytes.bytes) }
    case .xgboostUBJSON: loads { try NativeModel.loadXGBoostUBJSON(bytes.bytes) }
    case .lightGBM: loads { try NativeModel.loadLightGBM(bytes.bytes) }
    case .body: FuzzedReader.readBody(bytes)
    case .rows: FuzzedReader.readRows(bytes)
    case .yaml:
      (try? YAMLReader.read(String(decoding: bytes, as: UTF8.self), source: "fuzz")) != nil
    }
  }

  private func loads(_ load: () throws -> any ModelExecutor) -> Bool {
    guard let executor = try? load() else { return false }
    FuzzedReader.score(executor)
    return true
  }

  /// A model that loads is also run, on zeros: what was let pass must not trap later.
  private static func score(_ executor: any ModelExecutor) {
    var inputs: [Tensor?] = []
    for input in executor.signature.inputs {
      let dimensions = input.shape.map { $0 ?? 2 }
      guard let shape = try? Shape(checking: dimensions), shape.elementCount <= 1 << 16 else {
        return
      }
      inputs.append(Tensor(input.elementType, shape: shape))
    }
    let scratch = executor.makeScratch()
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    scratch.deadline = (UInt64(now.tv_sec) + 2) * 1_000_000_000
    // The fuzzer's process has 256 MiB.
    scratch.maxBytes = 1 << 26
    _ = try? executor.predict(
      inputs, outputs: executor.signature.defaultOutputs, scratch: scratch)
  }

  /// What models with external data find beside them, as `weights.bin`.
  package static let externalBytes = (0..<4096).map { UInt8($0 * 7 & 63) }

  private static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    let file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw ModelFormatError.unreadable(path: path, reason: "not made") }
    defer { close(file) }
    var written = 0
    while written < bytes.count {
      let start = bytes.baseAddress?.advanced(by: written)
      let count = Glibc.write(file, start, bytes.count - written)
      guard count > 0 else { throw ModelFormatError.unreadable(path: path, reason: "not written") }
      written += count
    }
  }

  /// ONNX files are mapped: the bytes go through a file in memory.
  private static func onnx(_ bytes: UnsafeRawBufferPointer) throws -> any ModelExecutor {
    let folder = "/dev/shm/swerve-fuzz-\(getpid())-\(pthread_self())"
    let path = "\(folder)/model.onnx"
    let external = "\(folder)/weights.bin"
    mkdir(folder, 0o700)
    defer {
      unlink(path)
      unlink(external)
      rmdir(folder)
    }
    try write(bytes, to: path)
    try externalBytes.withUnsafeBytes { try write($0, to: external) }
    return try ONNXModel.load(path: path)
  }

  /// The body is read for a table with names and categories, for columns each of their own, and
  /// for named tensors.
  private static func readBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let body = Array(bytes)
    var isTaken = false
    for decoder in decoders {
      if (try? decoder.decode(body.span)) != nil { isTaken = true }
    }
    return isTaken
  }

  private static let decoders = signatures.map { PayloadDecoder($0) }

  /// The bytes are a CSV file, and lines of JSON; each is read for a plain table, for one whose
  /// columns are checked, and for columns of text and numbers.
  private static func readRows(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let text = Array(bytes)
    let head = (text.firstIndex(of: UInt8(ascii: "\n")) ?? text.count - 1) + 1
    // Blocks are of whole rows, each with its end.
    let rows = Array(text.dropFirst(head)) + Array("\n".utf8)
    var isTaken = false
    func read(_ decoder: TableDecoder?, _ text: [UInt8]) {
      guard let decoder else { return }
      let block = decoder.decode(text.span, maxRows: text.count { $0 == UInt8(ascii: "\n") })
      isTaken = isTaken || block.readCount > 0
    }
    for signature in [plainTable] + signatures.dropLast() {
      read(try? TableDecoder(jsonLines: signature), text + Array("\n".utf8))
      if let header = (try? TableDecoder.headerCells(Array(text.prefix(head)).span)) ?? nil {
        read(try? TableDecoder(csv: signature, header: header), rows)
      }
    }
    return isTaken
  }

  private static let plainTable = ModelSignature(
    inputs: [
      ModelInput(name: "X", elementType: .float64, shape: [nil, 3], columns: ["a", "b", "c"])
    ], outputs: [])

  private static let signatures: [ModelSignature] = {
    var table = ModelInput(
      name: "X", elementType: .float32, shape: [nil, 3], columns: ["a", "b", "c"])
    table.columnRules = [.number, .integer(bits: 32), .boolean]
    var typed = ModelSignature(inputs: [table], outputs: [])
    typed.parameters = [
      ModelParameter(name: "threshold", kind: .number, typeName: "double"),
      ModelParameter(name: "k", kind: .integer, isList: true, typeName: "long"),
    ]
    let columns = ModelSignature(
      inputs: [
        ModelInput(name: "a", elementType: .float32, shape: [nil, 1]),
        ModelInput(name: "b", elementType: .string, shape: [nil, 1]),
      ], outputs: [])
    let tensors = ModelSignature(
      inputs: [
        ModelInput(name: "image", elementType: .float32, shape: [nil, 1, 2, 2]),
        ModelInput(name: "tokens", elementType: .int64, shape: [nil, nil]),
      ], outputs: [ModelOutput(name: "y", kind: .tensor(.float32, shape: [nil]))])
    return [typed, columns, tensors]
  }()
}
