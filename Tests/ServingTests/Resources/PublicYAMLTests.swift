import Documents
import Foundation
import Registry
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
    let bench = try ControlBench()
    var endpoints = 0
    var deployments = 0
    var models = 0
    var batchEndpoints = 0
    var batchDeployments = 0
    var data = 0
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
        if case .inline(let registration)? = specification.model {
          try expectLoads(registration, in: bench)
          models += 1
        }
        deployments += 1
      case .batchEndpoint:
        let specification = try BatchEndpointSpecification(yaml: value)
        let again = Document(specification.yaml, source: "again")
        #expect(try BatchEndpointSpecification(yaml: again) == specification)
        batchEndpoints += 1
      case .batchDeployment:
        let specification = try BatchDeploymentSpecification(yaml: value, folder: document.folder)
        let again = Document(specification.yaml, source: "again")
        #expect(try BatchDeploymentSpecification(yaml: again, folder: "/") == specification)
        let reason = specification.cannotRunReason
        if document.path.contains("deploy-pipelines") {
          #expect(reason?.contains("pipeline") == true)
        } else if specification.noted["code_configuration"] != nil {
          #expect(reason?.contains("scoring script 'batch_driver.py'") == true)
        } else {
          #expect(reason == nil, "\(document.path)")
          #expect(specification.settings.miniBatchSize == 2)
          #expect(specification.settings.timeoutSeconds == 300)
        }
        batchDeployments += 1
      case .model:
        try expectLoads(try ModelDocument.registration(value), in: bench)
        models += 1
      case .data:
        data += 1
      case .other:
        continue
      }
    }
    #expect(endpoints == 7)
    #expect(deployments == 17)
    #expect(models == 11)
    #expect(batchEndpoints == 3)
    #expect(batchDeployments == 6)
    #expect(data == 1)
  }

  /// Registers it, where the public files bring the model's own; else the message says what is
  /// missing.
  private func expectLoads(_ registration: ModelRegistration, in bench: ControlBench) throws {
    if FileManager.default.fileExists(atPath: registration.path) {
      let staged = try bench.control.stageInline(registration)
      #expect(staged.isNew && !staged.version.files.isEmpty)
      bench.registry.discard(staged)
      return
    }
    let error = try #require(throws: ControlError.self) {
      try bench.control.stageInline(registration)
    }
    #expect(error.description.contains(registration.path), "\(error)")
    #expect(error.description.contains("No such file or directory"), "\(error)")
  }
}
