internal import Documents
internal import Executors

/// The properties of a model that say how to serve it, as JSON texts.
package enum ModelProperties {
  /// The names of the columns of a two-dimensional input: a list of strings.
  package static let columnsKey = "swerve.columns"
  /// The outputs of a `/score` answer: a list of names.
  package static let outputsKey = "swerve.response.outputs"
  /// How far a warm-up answer may lie from the sample's: numbers.
  package static let relativeToleranceKey = "swerve.warmup.rtol"
  package static let absoluteToleranceKey = "swerve.warmup.atol"

  /// The list of strings under `key`; nil when it is absent.
  static func list(
    _ key: String, in properties: [String: String]
  ) throws(ModelFormatError) -> [String]? {
    guard let text = properties[key] else { return nil }
    let value: DocumentValue
    do {
      value = try JSONReader.read(text, source: key)
    } catch {
      throw .malformed(format: "model properties", at: key, reason: "\(error)")
    }
    guard case .array(let elements) = value, !elements.isEmpty else {
      throw .malformed(
        format: "model properties", at: key, reason: "expected a list of names, got \(text)")
    }
    var names: [String] = []
    for element in elements {
      guard case .string(let name) = element, !names.contains(name) else {
        throw .malformed(
          format: "model properties", at: key,
          reason: "expected a list of different names, got \(text)")
      }
      names.append(name)
    }
    return names
  }
}
