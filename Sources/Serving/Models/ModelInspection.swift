package import Documents
internal import Executors
package import Registry
internal import Tensors

/// Looks into packages for the registry: a model that cannot be served is refused there, and
/// never at the first request.
package struct ModelInspector: PackageInspector {
  package init() {}

  package func inspect(
    package: String, artifact: String, type: String
  ) throws(RegistryError) -> DocumentValue {
    do {
      return try ModelLoader.load(path: package + "/" + artifact, type: type).inspection
    } catch {
      throw .refused(reason: reason(error, below: package + "/"))
    }
  }

  /// The error's sentence without the folder that the package only lies in for now.
  private func reason(_ error: ModelFormatError, below folder: String) -> String {
    var text = ""
    var rest = error.description[...]
    while let range = rest.firstRange(of: folder) {
      text += rest[..<range.lowerBound]
      rest = rest[range.upperBound...]
    }
    return text + rest
  }
}

/// What `model show` prints of a loaded model.
func inspect(
  _ executor: any ModelExecutor, signature: ModelSignature, format: String
) -> DocumentValue {
  var object = DocumentObject([
    "format": .string(format),
    "summary": .string(executor.summary),
    "inputs": .array(signature.inputs.map(description(of:))),
    "outputs": .array(signature.outputs.map(description(of:))),
  ])
  if let reason = JoinRule.reason(signature, batchDependentNodes: executor.batchDependentNodes) {
    object[unjoinableKey] = .string(reason)
  }
  return .object(object)
}

/// Where a model whose requests are never joined into batches says why.
private let unjoinableKey = "never_batched"

extension DeploymentSpecification {
  /// Why it cannot have the batching that it asks for, as far as the model's registration tells.
  func batchingFault(of model: ModelVersion) -> String? {
    guard batching != nil, case .object(let inspection) = model.inspection,
      case .string(let reason)? = inspection[unjoinableKey]
    else { return nil }
    return "requests for model \(model.name):\(model.version) cannot be joined: \(reason)"
  }
}

private func description(of input: ModelInput) -> DocumentValue {
  var object = DocumentObject([
    "name": .string(input.name),
    "datatype": .string(input.elementType.wireName),
    "shape": shape(input.shape),
  ])
  if let columns = input.columns { object["columns"] = .array(columns.map { .string($0) }) }
  if !input.categories.isEmpty {
    // By column, as a request names it.
    var categories = DocumentObject()
    for (column, known) in input.categories.sorted(by: { $0.key < $1.key }) {
      let name = input.columns.flatMap { column < $0.count ? $0[column] : nil } ?? "\(column)"
      categories[name] = .array(
        known.names.map { name in
          switch name {
          case .text(let text): .string(text)
          case .number(let number):
            Int64(exactly: number).map { .integer($0) } ?? .double(number)
          }
        })
    }
    object["categories"] = .object(categories)
  }
  if !input.isRequired { object["required"] = false }
  return .object(object)
}

private func description(of output: ModelOutput) -> DocumentValue {
  var object = DocumentObject(["name": .string(output.name)])
  switch output.kind {
  case .tensor(let type, let dimensions):
    object["datatype"] = .string(type.wireName)
    object["shape"] = shape(dimensions)
  case .maps(let keys, let values):
    object["datatype"] = "MAP"
    object["keys"] = .string(keys.wireName)
    object["values"] = .string(values.wireName)
  }
  if !output.isDefault { object["default"] = false }
  return .object(object)
}

private func shape(_ dimensions: [Int?]) -> DocumentValue {
  .array(dimensions.map { .integer(Int64($0 ?? -1)) })
}
