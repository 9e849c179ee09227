import Documents
import Registry
import Serving

/// A resource's YAML with what the command line says on top of it.
struct YAMLFile {
  let path: String
  let folder: String
  var document: DocumentValue

  /// - Parameter name: Wins over the file's `name`.
  init(
    _ file: String?, name: String? = nil, assignments: [String] = [],
    extra: [(String, DocumentValue)] = []
  ) throws(CommandFailure) {
    if let file {
      path = LocalFile.absolute(file)
      folder = LocalFile.folder(of: file)
      let text = try LocalFile.readText(file)
      do {
        document = try YAMLReader.read(text, source: file)
      } catch {
        throw CommandFailure("\(error)")
      }
    } else {
      path = "the command line"
      folder = LocalFile.absolute(".")
      document = .object(DocumentObject())
    }
    guard case .object(var object) = document else {
      throw CommandFailure("\(path): a document must be a mapping")
    }
    if let name { object["name"] = .string(name) }
    for (key, value) in extra { object[key] = value }
    document = .object(object)
    try apply(assignments, to: &document)
  }

  func endpoint() throws(CommandFailure) -> EndpointSpecification {
    do {
      return try EndpointSpecification(yaml: Document(document, source: path))
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  func deployment() throws(CommandFailure) -> DeploymentSpecification {
    do {
      return try DeploymentSpecification(yaml: Document(document, source: path), folder: folder)
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  func model() throws(CommandFailure) -> ModelRegistration {
    do {
      return try ModelYAML.registration(Document(document, source: path), file: path)
    } catch {
      throw CommandFailure("\(error)")
    }
  }
}
