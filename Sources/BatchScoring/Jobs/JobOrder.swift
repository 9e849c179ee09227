package import Serving

/// What a job is to do, every name in it resolved. Written once when the job is made; it never
/// changes.
package struct JobOrder: Sendable, Equatable {
  /// Files or a folder of them.
  package struct Input: Sendable, Equatable {
    /// The folder that nothing is read outside of, absolute: the datastore, or the caller's own.
    package var root: String
    /// The file or folder below `root`; empty: `root` itself.
    package var path: String
    /// As the caller wrote it: an `azureml://` address, a path.
    package var address: String
    /// Which files of a folder: names with `*`, `?`, `**`; nil: all, folders below included.
    package var glob: String?
    /// What one file is called, where that is not the name at the end of `path`: a link was named.
    package var name: String?

    package init(
      root: String, path: String, address: String, glob: String? = nil, name: String? = nil
    ) {
      (self.root, self.path, self.address, self.glob) = (root, path, address, glob)
      self.name = name
    }
  }

  /// Where the finished folder appears.
  package struct Output: Sendable, Equatable {
    /// As `Input.root`.
    package var root: String
    /// Below `root`; must not exist yet.
    package var folder: String
    /// What is shown of it.
    package var address: String

    /// Of the default datastore: holds the outputs of jobs that name none, each in a folder of the
    /// job's name.
    package static let defaultFolder = "azureml"

    package init(root: String, folder: String, address: String) {
      (self.root, self.folder, self.address) = (root, folder, address)
    }
  }

  /// The job's name: what users see, and its folder's.
  package var name: String

  /// A folder's name may have 255, and those that belong to a job begin with more than its name.
  package static let maxNameBytes = 200
  package var endpoint: String
  package var deployment: String
  /// The model's name and exact version.
  package var model: String
  package var modelVersion: String
  package var input: Input
  package var output: Output
  package var settings: BatchSettings
  /// `experimentName`, `displayName`, tags and the like: kept and told back.
  package var properties: [String: String] = [:]
  /// Who asked, for the audit: `admin socket`, an admin key's name, an endpoint key.
  package var actor: String

  package init(
    name: String, endpoint: String, deployment: String, model: String, modelVersion: String,
    input: Input, output: Output, settings: BatchSettings, actor: String
  ) {
    (self.name, self.endpoint, self.deployment) = (name, endpoint, deployment)
    (self.model, self.modelVersion) = (model, modelVersion)
    (self.input, self.output, self.settings, self.actor) = (input, output, settings, actor)
  }
}

extension JobOrder {
  /// What is said of a name with more than `maxNameBytes`.
  package static func tooLongName(_ name: String) -> String {
    "the job's name '\(name.prefix(40))…' has \(name.utf8.count) bytes, and may have \(maxNameBytes)"
  }
}
