package import Documents

/// A name and a version, or a label: `churn:3`, `churn@latest`.
package struct ModelReference: Sendable, Equatable {
  package enum Revision: Sendable, Equatable {
    case version(String)
    case latest
  }
  package var name: String
  package var revision: Revision
  package init(name: String, revision: Revision) {
    self.name = name
    self.revision = revision
  }
}

/// One file of a package.
package struct PackageFile: Sendable, Equatable {
  /// Relative to the package's folder, `/` between parts.
  package var path: String
  package var byteCount: Int
  package var sha256: String
  package init(path: String, byteCount: Int, sha256: String) {
    self.path = path
    self.byteCount = byteCount
    self.sha256 = sha256
  }
}

/// An immutable revision of a model, and the parts of it that may change.
package struct ModelVersion: Sendable, Equatable {
  package var name: String
  package var version: String
  /// `custom_model`, `mlflow_model` or `triton_model`.
  package var type: String
  package var description: String?
  package var tags: [String: String]
  package var properties: [String: String]
  package var stage: String?
  package var isArchived: Bool
  /// Milliseconds since 1970.
  package var createdAt: Int64
  package var modifiedAt: Int64
  /// SHA-256 over the manifest's files (path, size and hash of each).
  package var contentHash: String
  /// The artifact inside the package: a file, or a folder.
  package var artifact: String
  package var files: [PackageFile]
  /// What the inspector said: format, summary, inputs, outputs.
  package var inspection: DocumentValue

  /// Exactly this version.
  package var reference: ModelReference {
    ModelReference(name: name, revision: .version(version))
  }
}

/// What is to be registered.
package struct ModelRegistration: Sendable, Equatable {
  package var name: String
  /// nil: the next free integer.
  package var version: String?
  package var type = "custom_model"
  package var description: String?
  package var tags: [String: String] = [:]
  package var properties: [String: String] = [:]
  package var stage: String?
  /// An absolute path to a file or folder.
  package var path: String
  /// Files that go beside the artifact at the top of the package, by the name they get there
  /// (`sample-request.json`, `sample-response.json`, `model.yml`).
  package var extraFiles: [String: String] = [:]

  package init(name: String, version: String?, path: String) {
    self.name = name
    self.version = version
    self.path = path
  }
}

/// Looks into a package before it is registered: the gateway's model loader.
package protocol PackageInspector: Sendable {
  /// - Parameter package: The package's folder, complete, before it has its final name.
  /// - Returns: What `show` prints: `{"format", "summary", "inputs", "outputs"}`.
  /// - Throws: `RegistryError.refused` when it cannot run here.
  func inspect(
    package: String, artifact: String, type: String
  ) throws(RegistryError) -> DocumentValue
}
