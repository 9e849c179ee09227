internal import Digest
internal import Documents
internal import Registry
internal import Store

/// The rows of endpoints, deployments, keys, operations, applied documents and the audit. Each
/// function runs inside a transaction of the caller's.
struct EndpointStore {
  let transaction: any SQLTransaction

  // MARK: Endpoints and deployments

  func catalog() throws(ControlError) -> Catalog {
    var catalog = Catalog()
    for row in try query("SELECT name, generation, body FROM endpoints") {
      let record = try ResourceBody.endpoint(
        row.text("body"), generation: row.integer("generation"))
      catalog.endpoints[row.text("name").lowercased()] = record
    }
    for row in try query("SELECT endpoint, name, generation, body FROM deployments") {
      let key = DeploymentKey(endpoint: row.text("endpoint"), name: row.text("name"))
      catalog.deployments[key] = try ResourceBody.deployment(
        row.text("body"), generation: row.integer("generation"))
    }
    try addBatch(to: &catalog)
    return catalog
  }

  /// Inserts and updates in place: replacing the row would delete its deployments and keys.
  func save(_ record: EndpointRecord) throws(ControlError) {
    try execute(
      """
      INSERT INTO endpoints (name, generation, body) VALUES (?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, body = excluded.body
      """,
      .text(record.specification.name), .integer(record.generation),
      .text(ResourceBody.text(record)))
  }

  func save(_ deployment: StoredDeployment) throws(ControlError) {
    let specification = deployment.record.specification
    try execute(
      """
      INSERT INTO deployments (endpoint, name, generation, body) VALUES (?, ?, ?, ?)
      ON CONFLICT (endpoint, name)
      DO UPDATE SET generation = excluded.generation, body = excluded.body
      """,
      .text(specification.endpointName), .text(specification.name),
      .integer(deployment.record.generation), .text(ResourceBody.text(deployment)))
  }

  func deleteEndpoint(_ name: String) throws(ControlError) {
    try execute("DELETE FROM deployments WHERE endpoint = ?", .text(name))
    try execute("DELETE FROM endpoint_keys WHERE endpoint = ?", .text(name))
    try execute("DELETE FROM client_keys WHERE endpoint = ?", .text(name))
    try execute("DELETE FROM endpoints WHERE name = ?", .text(name))
  }

  func deleteDeployment(_ key: DeploymentKey) throws(ControlError) {
    try execute(
      "DELETE FROM deployments WHERE endpoint = ? AND name = ?", .text(key.endpoint),
      .text(key.name))
  }

  /// A number that no resource has had before, even a deleted one.
  func nextGeneration() throws(ControlError) -> Int64 {
    try execute(
      """
      INSERT INTO counters (name, value) VALUES ('generation', 1)
      ON CONFLICT (name) DO UPDATE SET value = value + 1
      """)
    let rows = try query("SELECT value FROM counters WHERE name = 'generation'")
    return rows.first?.integer("value") ?? 1
  }

  /// A model may have been deleted since it was looked up.
  func requireModel(_ model: ModelVersion) throws(ControlError) {
    let rows = try query(
      "SELECT 1 FROM models WHERE name = ? AND version = ?", .text(model.name),
      .text(model.version))
    guard !rows.isEmpty else {
      throw .conflict("model \(model.name):\(model.version) was deleted by another operation")
    }
  }

  // MARK: Keys

  func keys(
    of family: EndpointFamily, sealer: Sealer
  ) throws(ControlError) -> [String: ControlPlane.Keys] {
    var keys: [String: ControlPlane.Keys] = [:]
    for row in try query("SELECT endpoint, kind, sealed FROM \(family.keyTable)") {
      let endpoint = row.text("endpoint").lowercased()
      let plain: [UInt8]
      do {
        plain = try sealer.open(row.blob("sealed"))
      } catch {
        throw .store(
          .database(
            reason: "the \(row.text("kind")) key of \(family.noun) '\(endpoint)': \(error)"))
      }
      let text = String(decoding: plain, as: UTF8.self)
      var pair = keys[endpoint] ?? ControlPlane.Keys(primary: "", secondary: "")
      if row.text("kind") == "primary" { pair.primary = text } else { pair.secondary = text }
      keys[endpoint] = pair
    }
    return keys
  }

  func saveKey(
    _ key: String, kind: ControlPlane.KeyKind, endpoint: String, _ family: EndpointFamily,
    sealer: Sealer, at time: Int64
  ) throws(ControlError) {
    try execute(
      """
      INSERT INTO \(family.keyTable) (endpoint, kind, sealed, created_at) VALUES (?, ?, ?, ?)
      ON CONFLICT (endpoint, kind)
      DO UPDATE SET sealed = excluded.sealed, created_at = excluded.created_at
      """,
      .text(endpoint), .text(kind.rawValue), .blob(sealer.seal(Array(key.utf8))), .integer(time))
  }

  // MARK: Operations

  func save(_ operation: OperationRecord, resource: String) throws(ControlError) {
    try execute(
      """
      INSERT INTO operations (id, resource, status, started_at, ended_at, body)
      VALUES (?, ?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE
      SET status = excluded.status, ended_at = excluded.ended_at, body = excluded.body
      """,
      .text(operation.id), .text(resource), .text(operation.status),
      .integer(operation.startedAt), operation.endedAt.map { .integer($0) } ?? .null,
      .text(ResourceBody.json(ResourceBody.value(operation.failure))))
  }

  func operation(_ id: String) throws(ControlError) -> OperationRecord {
    let rows = try query(
      "SELECT id, status, started_at, ended_at, body FROM operations WHERE id = ?", .text(id))
    guard let row = rows.first else { throw .operationNotFound(id) }
    let endedAt: Int64? = if case .integer(let time) = row["ended_at"] { time } else { nil }
    return OperationRecord(
      id: row.text("id"), status: row.text("status"),
      failure: try ResourceBody.failure(row.text("body")),
      startedAt: row.integer("started_at"), endedAt: endedAt)
  }

  /// Ends what a process that died was about, as its deployment has ended: the load that was
  /// accepted has been done again by now. What has no such deployment has failed.
  func endInterruptedOperations(in catalog: Catalog, at time: Int64) throws(ControlError) {
    let rows = try query("SELECT id, resource FROM operations WHERE status = 'InProgress'")
    if rows.isEmpty { return }
    var records: [String: DeploymentRecord] = [:]
    for (key, stored) in catalog.deployments { records["deployment \(key)"] = stored.record }
    for row in rows {
      let record = records[row.text("resource").lowercased()]
      let isDone = record?.provisioningState == "Succeeded"
      let failure =
        isDone
        ? nil
        : record?.failure
          ?? DeploymentFailure(
            code: "OperationInterrupted",
            message: "the gateway stopped before the operation ended")
      try execute(
        "UPDATE operations SET status = ?, ended_at = ?, body = ? WHERE id = ?",
        .text(isDone ? "Succeeded" : "Failed"), .integer(time),
        .text(ResourceBody.json(ResourceBody.value(failure))), .text(row.text("id")))
    }
  }

  /// Ended operations older than `time` are of no use to anybody.
  func forgetOperations(before time: Int64) throws(ControlError) {
    try execute("DELETE FROM operations WHERE ended_at < ?", .integer(time))
  }

  // MARK: Applied documents and audit

  func appliedDocuments() throws(ControlError) -> [DocumentKey: AppliedDocument] {
    var applied: [DocumentKey: AppliedDocument] = [:]
    let rows = try query(
      "SELECT kind, name, content, source_hash, source_stamp FROM applied_documents")
    for row in rows {
      var document = AppliedDocument(content: row.text("content"))
      let (hash, stamp) = (row.text("source_hash"), row.text("source_stamp"))
      if !hash.isEmpty {
        document.files = AppliedDocument.Files(hash: hash, stamp: stamp.isEmpty ? nil : stamp)
      }
      applied[DocumentKey(kind: row.text("kind"), name: row.text("name"))] = document
    }
    return applied
  }

  func save(
    _ document: AppliedDocument, _ key: DocumentKey, at time: Int64
  ) throws(ControlError) {
    try execute(
      """
      INSERT INTO applied_documents
        (kind, name, content, content_hash, applied_at, source_hash, source_stamp)
      VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT (kind, name) DO UPDATE SET content = excluded.content,
        content_hash = excluded.content_hash, applied_at = excluded.applied_at,
        source_hash = excluded.source_hash, source_stamp = excluded.source_stamp
      """,
      .text(key.kind), .text(key.name), .text(document.content),
      .text(SHA256.hex(of: Array(document.content.utf8))), .integer(time),
      document.files.map { .text($0.hash) } ?? .null,
      document.files?.stamp.map { .text($0) } ?? .null)
  }

  func deleteApplied(_ key: DocumentKey) throws(ControlError) {
    try execute(
      "DELETE FROM applied_documents WHERE kind = ? AND name = ?", .text(key.kind),
      .text(key.name))
  }

  func audit(
    _ action: String, _ resource: String, by actor: Actor, at time: Int64,
    body: DocumentValue = .null
  ) throws(ControlError) {
    try execute(
      "INSERT INTO audit (at, actor, action, resource, body) VALUES (?, ?, ?, ?, ?)",
      .integer(time), .text(actor.name), .text(action), .text(resource),
      .text(ResourceBody.json(body)))
  }

  // MARK: SQL

  func execute(_ sql: String, _ parameters: SQLValue...) throws(ControlError) {
    do { try transaction.execute(sql, parameters) } catch { throw .store(error) }
  }

  func query(_ sql: String, _ parameters: SQLValue...) throws(ControlError) -> [SQLRow] {
    do { return try transaction.query(sql, parameters) } catch { throw .store(error) }
  }
}

/// What `apply` knows a document by: `endpoint` `churn`, `deployment` `churn/blue`, `model`
/// `churn:3`, `batch endpoint` `churn`.
struct DocumentKey: Sendable, Hashable, CustomStringConvertible {
  var kind: String
  var name: String

  static let batchEndpoint = "batch endpoint"
  static let batchDeployment = "batch deployment"

  var description: String { "\(kind) \(name)" }
}
