import Registry
import Testing

@testable import Serving

/// Documents from another machine: their files lie somewhere else than they say, or nowhere.
@Suite struct ApplyDocumentFilesTests {
  private let model = """
    $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
    name: churn
    version: 1
    path: ../elsewhere/model.txt
    """
  private let blue = """
    $schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
    name: blue
    endpoint_name: churn
    model:
      path: model.txt
    """

  @Test func `an uploaded model is read where it was uploaded to`() throws {
    let bench = try ControlBench()
    let artifact = try bench.file("upload/0/model.txt", "1")
    let yaml = try bench.file("upload/0/model.yml", model)
    try bench.apply([
      ApplyDocument(
        path: "/another/machine/model.yml", text: model,
        files: .uploaded(artifact: artifact, extraFiles: ["model.yml": yaml]))
    ])
    let version = try bench.registry.find(name: "churn", version: "1")
    #expect(version.files.map(\.path).sorted() == ["model.txt", "model.yml"])
  }

  @Test func `a deployment whose model was uploaded names it by its version`() throws {
    let bench = try ControlBench()
    let artifact = try bench.file("upload/0/model.txt", "7")
    try bench.apply([
      bench.endpoint(traffic: "blue: 100"),
      ApplyDocument(
        path: "/another/machine/blue.yml", text: blue,
        files: .uploaded(artifact: artifact, extraFiles: [:])),
    ])
    #expect(bench.answer("blue") == 7)
    let record = try bench.control.deployment("blue", of: "churn")
    guard case .registered(let reference)? = record.specification.model else {
      Issue.record("\(record)")
      return
    }
    #expect(try bench.registry.resolve(reference).files.map(\.path) == ["model.txt"])
    // Sent again, from another place: nothing is to be done.
    let again = try bench.file("upload/1/model.txt", "7")
    let report = try bench.apply([
      ApplyDocument(
        path: "/another/machine/blue.yml", text: blue,
        files: .uploaded(artifact: again, extraFiles: [:]))
    ])
    #expect(report.changes.map(\.action) == [.unchanged])
    // The upload is gone by then.
    try bench.file("upload/0/model.txt", "broken")
    try bench.restart()
    #expect(bench.answer("blue") == 7)
  }

  @Test
  func `a document whose files did not come is refused, whatever lies here under their names`()
    throws
  {
    let bench = try ControlBench()
    try bench.file("model.txt", "1")
    for text in [model.replacing("../elsewhere/", with: ""), blue] {
      let failure = try #require(throws: ControlError.self) {
        try bench.apply([
          bench.endpoint(),
          ApplyDocument(path: bench.folder + "/source/x.yml", text: text, files: .absent),
        ])
      }
      #expect("\(failure)".contains("on another machine"), "\(failure)")
    }
    #expect(try bench.registry.models(.all).isEmpty)
  }

  @Test func `a document tells which package of this machine it needs`() throws {
    let document = ApplyDocument(path: "/a/b/model.yml", text: model)
    #expect(try document.localPackage()?.path == "/a/b/../elsewhere/model.txt")
    #expect(
      try ApplyDocument(path: "/a/b/blue.yml", text: blue).localPackage()?.path == "/a/b/model.txt")
    let registered = blue.replacing("model:\n  path: model.txt", with: "model: azureml:churn:1")
    #expect(try ApplyDocument(path: "/a/b/blue.yml", text: registered).localPackage() == nil)
    #expect(
      try ApplyDocument(path: "/a/e.yml", text: "name: churn\nauth_mode: key").localPackage() == nil
    )
  }
}
