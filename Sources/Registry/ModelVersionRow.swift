internal import Documents
internal import Store

/// A model version as a row of the table `models`.
extension ModelVersion {
  /// The column `body`.
  var body: String {
    var members = DocumentObject([
      "type": .string(type), "tags": Self.document(tags),
      "properties": Self.document(properties), "modified_at": .integer(modifiedAt),
      "artifact": .string(artifact), "files": .array(files.map(\.document)),
      "inspection": inspection,
    ])
    members["description"] = description.map { .string($0) }
    members["stage"] = stage.map { .string($0) }
    var writer = JSONWriter()
    writer.document(.object(members))
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  init(row: SQLRow) throws(StoreError) {
    let name = row.text("name")
    let version = row.text("version")
    let body: DocumentValue
    do throws(DocumentError) {
      body = try JSONReader.read(row.text("body"), source: "model \(name):\(version)")
    } catch {
      throw .database(reason: "\(error)")
    }
    guard case .object(let members) = body, case .string(let type) = members["type"],
      case .string(let artifact) = members["artifact"], case .array(let files) = members["files"]
    else { throw .database(reason: "the row of model \(name):\(version) is incomplete") }
    self.init(
      name: name, version: version, type: type,
      description: Self.text(members["description"]), tags: Self.strings(members["tags"]),
      properties: Self.strings(members["properties"]), stage: Self.text(members["stage"]),
      isArchived: row.integer("is_archived") != 0, createdAt: row.integer("created_at"),
      modifiedAt: row.integer("created_at"), contentHash: row.text("content_hash"),
      artifact: artifact, files: [], inspection: members["inspection"] ?? .null)
    if case .integer(let time) = members["modified_at"] { modifiedAt = time }
    for file in files {
      guard case .object(let file) = file, case .string(let path) = file["path"],
        case .integer(let bytes) = file["bytes"], case .string(let hash) = file["sha256"]
      else { throw .database(reason: "the row of model \(name):\(version) names no proper files") }
      self.files.append(PackageFile(path: path, byteCount: Int(bytes), sha256: hash))
    }
  }

  private static func document(_ strings: [String: String]) -> DocumentValue {
    var object = DocumentObject()
    for (key, value) in strings.sorted(by: { $0.key < $1.key }) { object[key] = .string(value) }
    return .object(object)
  }

  private static func text(_ value: DocumentValue?) -> String? {
    if case .string(let text) = value { text } else { nil }
  }

  private static func strings(_ value: DocumentValue?) -> [String: String] {
    guard case .object(let object) = value else { return [:] }
    var strings: [String: String] = [:]
    for (key, value) in object.members { strings[key] = text(value) }
    return strings
  }
}
