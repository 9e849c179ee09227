internal import Documents
internal import Store

/// The rows of batch endpoints and their deployments.
extension EndpointStore {
  func addBatch(to catalog: inout Catalog) throws(ControlError) {
    for row in try query("SELECT name, generation, body FROM batch_endpoints") {
      catalog.batchEndpoints[row.text("name").lowercased()] = try ResourceBody.batchEndpoint(
        row.text("body"), generation: row.integer("generation"))
    }
    for row in try query("SELECT endpoint, name, generation, body FROM batch_deployments") {
      let key = DeploymentKey(endpoint: row.text("endpoint"), name: row.text("name"))
      catalog.batchDeployments[key] = try ResourceBody.batchDeployment(
        row.text("body"), generation: row.integer("generation"))
    }
  }

  /// Updates in place: replacing the row would delete its deployments and keys.
  func save(_ record: BatchEndpointRecord) throws(ControlError) {
    try execute(
      """
      INSERT INTO batch_endpoints (name, generation, body) VALUES (?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, body = excluded.body
      """,
      .text(record.specification.name), .integer(record.generation),
      .text(ResourceBody.text(record)))
  }

  func save(_ record: BatchDeploymentRecord) throws(ControlError) {
    let specification = record.specification
    try execute(
      """
      INSERT INTO batch_deployments (endpoint, name, generation, body) VALUES (?, ?, ?, ?)
      ON CONFLICT (endpoint, name)
      DO UPDATE SET generation = excluded.generation, body = excluded.body
      """,
      .text(specification.endpointName), .text(specification.name),
      .integer(record.generation), .text(ResourceBody.text(record)))
  }

  func deleteBatchEndpoint(_ name: String) throws(ControlError) {
    try execute("DELETE FROM batch_deployments WHERE endpoint = ?", .text(name))
    try execute("DELETE FROM batch_endpoint_keys WHERE endpoint = ?", .text(name))
    try execute("DELETE FROM batch_endpoints WHERE name = ?", .text(name))
  }

  func deleteBatchDeployment(_ key: DeploymentKey) throws(ControlError) {
    try execute(
      "DELETE FROM batch_deployments WHERE endpoint = ? AND name = ?", .text(key.endpoint),
      .text(key.name))
  }
}
