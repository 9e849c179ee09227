internal import Digest
internal import Documents
internal import Serving

#if canImport(Glibc)
  internal import Glibc
#endif

/// `--model NAME=PATH` as the documents that it stands for: an endpoint, and its deployment
/// `blue` with the model inline.
///
/// The deployment's document names the content's hash, so that a second start with the same
/// file changes nothing, and another file under the same path is registered.
enum QuickModels {
  static func documents(
    _ models: [(name: String, path: String)]
  ) throws(GatewayError) -> [ApplyDocument] {
    var documents: [ApplyDocument] = []
    for model in models {
      let hash = try contentHash(model.path)
      documents.append(
        ApplyDocument(
          path: model.path,
          text: """
            $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineEndpoint.schema.json
            name: \(model.name)
            auth_mode: key
            traffic:
              blue: 100

            """))
      documents.append(
        ApplyDocument(
          path: model.path,
          text: """
            $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
            # sha256 \(hash)
            name: blue
            endpoint_name: \(model.name)
            model:
              name: \(model.name)
              path: \(quoted(model.path))
            instance_count: 1

            """))
    }
    return documents
  }

  /// A JSON string is a YAML string.
  private static func quoted(_ text: String) -> String {
    var writer = JSONWriter()
    writer.string(text)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// Over the paths and hashes of all files below `path`.
  private static func contentHash(_ path: String) throws(GatewayError) -> String {
    var lines = ""
    try addHashes(of: path, as: "", to: &lines, depth: 0)
    return SHA256.hex(of: Array(lines.utf8))
  }

  private static func addHashes(
    of path: String, as name: String, to lines: inout String, depth: Int
  ) throws(GatewayError) {
    guard depth < 16 else { throw GatewayError("\(path): folders are nested too deep") }
    guard let stream = opendir(path) else {
      do {
        lines += "\(try SHA256.hex(ofFile: path)) \(name)\n"
      } catch {
        throw GatewayError(error.description)
      }
      return
    }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { pointer in
          pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    for child in names.sorted() where child != "." && child != ".." {
      try addHashes(
        of: path + "/" + child, as: name + "/" + child, to: &lines, depth: depth + 1)
    }
  }
}
