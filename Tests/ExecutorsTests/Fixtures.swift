import Executors
import Glibc
import Tensors
import Testing

/// The files that the tests compare with.
enum Fixtures {
  static var testFolder: String {
    "\(#filePath)".split(separator: "/", omittingEmptySubsequences: false).dropLast()
      .joined(separator: "/")
  }
  static var folder: String { testFolder + "/Fixtures" }
  // The clone may be reached through a symbolic link: the system resolves "..", not we.
  static var packageRoot: String { testFolder + "/../.." }

  /// The folder shared beside the repository; nil, with a line saying so, where it is absent.
  static func sharedFolder() throws -> String? {
    let path = getenv("SWERVE_SHARED").map { String(cString: $0) } ?? packageRoot + "/../shared"
    if access(path + "/corpus/manifest.json", R_OK) == 0 { return path }
    print("skipped: no corpus at \(path); set SWERVE_SHARED")
    let isContinuousIntegration = getenv("CI").map { String(cString: $0) } == "true"
    try #require(!isContinuousIntegration, "the corpus must be there in CI")
    return nil
  }

  /// The names of the model files beside this one.
  static let models = models(in: folder)

  /// The names of the model files in `folder`, sorted.
  static func models(in folder: String) -> [String] {
    var names: [String] = []
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      let isModel =
        (name.hasPrefix("xgb") || name.hasPrefix("lgb"))
        && [".json", ".ubj", ".txt"].contains { name.hasSuffix($0) }
      if isModel, !name.hasSuffix(".records.json") { names.append(name) }
    }
    return names.sorted()
  }

  static func bytes(_ path: String) throws -> [UInt8] {
    let file = try #require(fopen(path, "rb"), "\(path) cannot be opened")
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = fread(&chunk, 1, chunk.count, file)
      if count == 0 { return bytes }
      bytes.append(contentsOf: chunk[0..<count])
    }
  }

  static func array(_ path: String) throws -> Tensor { try NPYFormat.read(try bytes(path)) }
}

/// The elements' bits: NaN equals NaN, and 0 differs from -0.
func bits(_ tensor: Tensor) -> [UInt64] {
  switch tensor.elementType {
  case .float32:
    let values = tensor.values(as: Float.self)
    return values.indices.map { UInt64(values[$0].bitPattern) }
  case .float64:
    let values = tensor.values(as: Double.self)
    return values.indices.map { values[$0].bitPattern }
  case .int32:
    let values = tensor.values(as: Int32.self)
    return values.indices.map { UInt64(UInt32(bitPattern: values[$0])) }
  default: return []
  }
}

/// The rows `range` of a two-dimensional tensor.
func rows(_ tensor: Tensor, _ range: Range<Int>) -> Tensor {
  let width = tensor.shape[1]
  func slice<Element: TensorElement>(_: Element.Type) -> Tensor {
    let values = tensor.values(as: Element.self)
    return Tensor(
      (range.lowerBound * width..<range.upperBound * width).map { values[$0] },
      shape: Shape(range.count, width))
  }
  return tensor.elementType == .float32 ? slice(Float.self) : slice(Double.self)
}

func tensor(_ value: ModelValue) throws -> Tensor {
  guard case .tensor(let tensor) = value else {
    throw NPYFormat.Failure.malformed("maps where a tensor is expected")
  }
  return tensor
}
