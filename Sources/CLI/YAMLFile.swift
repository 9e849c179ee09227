import Documents
import Registry
import Serving

/// A resource's YAML with what the command line says on top of it.
struct YAMLFile {
  let path: String
  let folder: String
  private let isOnDisk: Bool
  var document: DocumentValue

  /// - Parameter name: Wins over the file's `name`.
  init(
    _ file: String?, name: String? = nil, assignments: [String] = [],
    extra: [(String, DocumentValue)] = []
  ) throws(CommandFailure) {
    isOnDisk = file != nil
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
      folder = LocalFile.absolute(".")
      path = folder + "/the command line"
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

  func endpoint<Endpoint: EndpointResource>() throws(CommandFailure) -> Endpoint {
    do {
      return try Endpoint(yaml: Document(document, source: path))
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  func deployment<Deployment: DeploymentResource>() throws(CommandFailure) -> Deployment {
    do {
      return try Deployment(yaml: Document(document, source: path), folder: folder)
    } catch {
      throw CommandFailure("\(error)")
    }
  }

  func model() throws(CommandFailure) -> ModelRegistration {
    do {
      var registration = try ModelYAML.registration(
        Document(document, source: path), file: path)
      // Samples belong to a package that its YAML describes, not to the present folder.
      if !isOnDisk { registration.extraFiles = [:] }
      return registration
    } catch {
      throw CommandFailure("\(error)")
    }
  }
}
