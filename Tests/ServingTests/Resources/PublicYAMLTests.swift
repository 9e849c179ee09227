import Documents
import Foundation
import Testing

@testable import Serving

/// The public files of Azure ML: `azureml-yaml` in the shared folder.
@Suite struct PublicYAMLTests {
  private static var folder: String? {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let environment = ProcessInfo.processInfo.environment
    let shared =
      environment["SWERVE_SHARED"].map { URL(filePath: $0, relativeTo: root) }
      ?? root.appending(path: "../shared")
    let path = shared.appending(path: "azureml-yaml").standardizedFileURL.path
    if FileManager.default.fileExists(atPath: path) { return path }
    #expect(environment["CI"] != "true", "no azureml-yaml at \(path)")
    print("skipped: no azureml-yaml at \(path); set SWERVE_SHARED")
    return nil
  }

  @Test func `every endpoint, deployment and model file loads`() throws {
    guard let folder = Self.folder else { return }
    let documents = try ApplyDocument.read(folder).map { document in
      ApplyDocument(
        path: document.path,
        text: document.text.replacing("{{MODEL_VERSION}}", with: "1")
          .replacing("{{ENDPOINT_NAME}}", with: "my-endpoint")
          .replacing("{{ACR_NAME}}", with: "registry"))
    }
    var endpoints = 0
    var deployments = 0
    // A tool's settings with a key twice: no document of ours.
    for document in documents where !document.path.contains("olive_model_analyzer") {
      let value = Document(
        try YAMLReader.read(document.text, source: document.path), source: document.path)
      switch DocumentKind.of(value) {
      case .onlineEndpoint:
        let specification = try EndpointSpecification(yaml: value)
        let again = Document(specification.yaml, source: "again")
        #expect(try EndpointSpecification(yaml: again) == specification)
        endpoints += 1
      case .onlineDeployment:
        let specification = try DeploymentSpecification(yaml: value, folder: document.folder)
        let again = Document(specification.yaml, source: "again")
        #expect(try DeploymentSpecification(yaml: again, folder: "/") == specification)
        if specification.noted["code_configuration"] != nil {
          #expect(specification.cannotRunReason?.contains("scoring script") == true)
        } else if document.path.contains("tfserving") {
          #expect(specification.cannotRunReason?.contains("container") == true)
        } else {
          #expect(specification.cannotRunReason == nil, "\(document.path)")
        }
        deployments += 1
      case .model, .other:
        continue
      }
    }
    #expect(endpoints == 7)
    #expect(deployments == 17)
  }
}
