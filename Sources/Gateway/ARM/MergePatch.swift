internal import Documents
internal import HTTP
internal import Serving

extension AdminRequest {
  /// The resource that PUT or PATCH asks for.
  ///
  /// - Parameter current: The body of what there is, asked for by PATCH only.
  func wanted(
    over current: () throws(ControlError) -> DocumentValue
  ) throws(ARMError) -> Document {
    let document = try document()
    guard method == .patch else { return document }
    return MergePatch.document(document, onto: try armControl(current))
  }
}

/// What PATCH changes: members of `properties` one by one, maps as a whole.
enum MergePatch {
  private static let depth = 2

  static func document(_ patch: Document, onto base: DocumentValue) -> Document {
    Document(
      merged(base, patch.value, depth: depth), source: patch.source, path: patch.path)
  }

  /// Null removes a member. Below `depth` a value replaces the other: traffic and tags are
  /// given whole.
  private static func merged(
    _ base: DocumentValue, _ patch: DocumentValue, depth: Int
  ) -> DocumentValue {
    guard depth > 0, case .object(var result) = base, case .object(let changes) = patch else {
      return patch
    }
    for (key, value) in changes.members {
      let known = result.keys.first { $0.lowercased() == key.lowercased() } ?? key
      let isMap = ["tags", "identity", "sku"].contains(known.lowercased())
      if value == .null {
        result[known] = nil
      } else {
        result[known] = merged(result[known] ?? .null, value, depth: isMap ? 0 : depth - 1)
      }
    }
    return .object(result)
  }
}
