/// Tells text that cannot be read as YAML and is plainly another tool's from a broken document of
/// ours: a folder that is applied may hold charts and manifests too, which are often no plain YAML
/// (`{{ … }}`, several documents in one file).
enum ForeignText {
  /// Members that a document of ours is told by.
  private static let ours = ["$schema:", "endpoint_name:", "auth_mode:"]

  /// Whose it is, in words; nil when it may be ours, and its fault is then an error.
  ///
  /// Only the left margin counts: there stand the members of the document itself.
  static func owner(of text: String) -> String? {
    var owner: String?
    for line in text.split(whereSeparator: \.isNewline) {
      if ours.contains(where: line.hasPrefix) { return nil }
      if owner != nil { continue }
      if line.hasPrefix("apiVersion:") || line.hasPrefix("kind:") {
        owner = "a Kubernetes manifest"
      } else if line.hasPrefix("{{") {
        owner = "a template"
      }
    }
    return owner
  }
}
