/// The tables, as they grew. A migration that has shipped is never changed.
///
/// A resource is a row: its key in columns, the rest as JSON in `body`. Times are milliseconds
/// since 1970.
package enum Migrations {
  /// SQL of each version, in order; `PRAGMA user_version` counts them.
  package static let versions: [String] = [
    """
    CREATE TABLE models (
      name TEXT NOT NULL, version TEXT NOT NULL, created_at INTEGER NOT NULL,
      sequence INTEGER PRIMARY KEY AUTOINCREMENT,
      content_hash TEXT NOT NULL, is_archived INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL,
      UNIQUE (name, version));
    CREATE TABLE model_containers (
      name TEXT PRIMARY KEY, is_archived INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL);
    CREATE TABLE endpoints (
      name TEXT PRIMARY KEY COLLATE NOCASE, generation INTEGER NOT NULL, body TEXT NOT NULL);
    CREATE TABLE deployments (
      endpoint TEXT NOT NULL COLLATE NOCASE REFERENCES endpoints(name) ON DELETE CASCADE,
      name TEXT NOT NULL COLLATE NOCASE, generation INTEGER NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (endpoint, name));
    CREATE TABLE endpoint_keys (
      endpoint TEXT NOT NULL COLLATE NOCASE REFERENCES endpoints(name) ON DELETE CASCADE,
      kind TEXT NOT NULL, sealed BLOB NOT NULL, created_at INTEGER NOT NULL,
      PRIMARY KEY (endpoint, kind));
    CREATE TABLE applied_documents (
      kind TEXT NOT NULL, name TEXT NOT NULL, content TEXT NOT NULL, content_hash TEXT NOT NULL,
      applied_at INTEGER NOT NULL, PRIMARY KEY (kind, name));
    CREATE TABLE operations (
      id TEXT PRIMARY KEY, resource TEXT NOT NULL, status TEXT NOT NULL,
      started_at INTEGER NOT NULL, ended_at INTEGER, body TEXT NOT NULL);
    CREATE TABLE audit (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL,
      action TEXT NOT NULL, resource TEXT NOT NULL, body TEXT NOT NULL);
    CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    """,
    // What lay in the files that an applied document names.
    """
    ALTER TABLE applied_documents ADD COLUMN source_hash TEXT;
    ALTER TABLE applied_documents ADD COLUMN source_stamp TEXT;
    """,
    """
    CREATE TABLE admin_keys (
      name TEXT PRIMARY KEY COLLATE NOCASE, hash BLOB NOT NULL, created_at INTEGER NOT NULL,
      created_by TEXT NOT NULL);
    """,
    """
    CREATE TABLE client_keys (
      endpoint TEXT NOT NULL COLLATE NOCASE REFERENCES endpoints(name) ON DELETE CASCADE,
      name TEXT NOT NULL COLLATE NOCASE, hash BLOB NOT NULL, created_at INTEGER NOT NULL,
      created_by TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (endpoint, name));
    """,
    // Batch jobs. They outlive their endpoint. `progress` is what a job goes on from;
    // `work_folder` is set as long as files of it may lie there.
    """
    CREATE TABLE jobs (
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
      endpoint TEXT NOT NULL COLLATE NOCASE, deployment TEXT NOT NULL COLLATE NOCASE,
      request_id TEXT, output TEXT NOT NULL, status TEXT NOT NULL, reason TEXT,
      created_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, work_folder TEXT,
      body TEXT NOT NULL, progress TEXT NOT NULL, UNIQUE (endpoint, request_id));
    CREATE INDEX jobs_by_deployment ON jobs (endpoint, deployment, sequence);
    CREATE UNIQUE INDEX jobs_output ON jobs (output) WHERE ended_at IS NULL;
    CREATE INDEX jobs_unfinished ON jobs (sequence) WHERE ended_at IS NULL;
    CREATE TABLE job_files (
      job INTEGER NOT NULL REFERENCES jobs(sequence) ON DELETE CASCADE, place INTEGER NOT NULL,
      path TEXT NOT NULL, byte_count INTEGER NOT NULL, modified_at INTEGER NOT NULL,
      device INTEGER NOT NULL, inode INTEGER NOT NULL, sha256 TEXT, row_count INTEGER,
      failed_count INTEGER, output_bytes INTEGER, output_sha256 TEXT,
      PRIMARY KEY (job, place)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE batch_endpoints (
      name TEXT PRIMARY KEY COLLATE NOCASE, generation INTEGER NOT NULL, body TEXT NOT NULL);
    CREATE TABLE batch_deployments (
      endpoint TEXT NOT NULL COLLATE NOCASE REFERENCES batch_endpoints(name) ON DELETE CASCADE,
      name TEXT NOT NULL COLLATE NOCASE, generation INTEGER NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (endpoint, name));
    CREATE TABLE batch_endpoint_keys (
      endpoint TEXT NOT NULL COLLATE NOCASE REFERENCES batch_endpoints(name) ON DELETE CASCADE,
      kind TEXT NOT NULL, sealed BLOB NOT NULL, created_at INTEGER NOT NULL,
      PRIMARY KEY (endpoint, kind));
    CREATE TABLE data_assets (
      name TEXT NOT NULL, version TEXT NOT NULL, created_at INTEGER NOT NULL,
      sequence INTEGER PRIMARY KEY AUTOINCREMENT, is_archived INTEGER NOT NULL DEFAULT 0,
      body TEXT NOT NULL, UNIQUE (name, version));
    """,
  ]
}
