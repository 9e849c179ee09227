package import Documents
package import Registry

extension ApplyDocument {
  /// The model package on this machine that the document would register: a model's own, or one
  /// written into a deployment. Nil for every other document.
  package func localPackage() throws(DocumentError) -> ModelRegistration? {
    let document = Document(try YAMLReader.read(text, source: path), source: path)
    switch DocumentKind.of(document) {
    case .model:
      return try ModelDocument.registration(document)
    case .onlineDeployment:
      let specification = try DeploymentSpecification(yaml: document, folder: folder)
      guard case .inline(let registration)? = specification.model else { return nil }
      return registration
    case .batchDeployment:
      let specification = try BatchDeploymentSpecification(yaml: document, folder: folder)
      guard case .inline(let registration)? = specification.model else { return nil }
      return registration
    case .onlineEndpoint, .batchEndpoint, .data, .other:
      return nil
    }
  }

  /// Whether a model written into the deployment can be read again later.
  var keepsFiles: Bool { files == .asNamed }

  /// Says where a registration's files are, whatever the document's paths say.
  func place(_ registration: inout ModelRegistration, at place: String) throws(DocumentError) {
    switch files {
    case .asNamed:
      return
    case .uploaded(let artifact, let extraFiles):
      registration.path = artifact
      registration.extraFiles = extraFiles
    case .absent:
      throw .value(
        source: path, path: place, expected: "a package that is uploaded with the document",
        received: "'\(registration.path)' on another machine")
    }
  }
}
