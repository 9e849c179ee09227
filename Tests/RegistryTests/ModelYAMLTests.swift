import Documents
import Registry
import Testing

struct ModelYAMLTests {
  func registration(_ text: String, file: String) throws -> ModelRegistration {
    try ModelYAML.registration(
      Document(YAMLReader.read(text, source: "model.yml"), source: "model.yml"), file: file)
  }

  @Test func `all fields of the schema are read, and ours become properties`() throws {
    let workspace = Workspace()
    let file = try workspace.file("model.yml", "unused here")
    try workspace.file("sample-request.json", "{}")
    let text = """
      $schema: https://azuremlschemas.azureedge.net/latest/model.schema.json
      name: iris
      version: 3
      type: custom_model
      description: three flowers
      stage: Production
      path: model.onnx
      tags: {team: plants, rows: 150}
      properties: {origin: sklearn}
      flavors: {onnx: {}}
      swerve:
        columns: [sepal length, sepal width]
        response: {outputs: [probabilities]}
        warmup: {rtol: 1.0e-5, atol: 0}
      """
    let registration = try registration(text, file: file)
    #expect(registration.name == "iris")
    #expect(registration.version == "3")
    #expect(registration.stage == "Production")
    #expect(registration.description == "three flowers")
    #expect(registration.tags == ["team": "plants", "rows": "150"])
    #expect(registration.path == workspace.path + "/source/model.onnx")
    #expect(registration.properties["origin"] == "sklearn")
    #expect(registration.properties["swerve.columns"] == #"["sepal length","sepal width"]"#)
    #expect(registration.properties["swerve.response.outputs"] == #"["probabilities"]"#)
    #expect(registration.properties["swerve.warmup.rtol"].flatMap(Double.init) == 1e-5)
    #expect(registration.properties["swerve.warmup.atol"].flatMap(Double.init) == 0)
    #expect(
      registration.extraFiles == [
        "model.yml": file, "sample-request.json": workspace.path + "/source/sample-request.json",
      ])
  }

  @Test(arguments: [
    ("name: a\npath: b\nverson: 1", "did you mean 'version'"),
    ("name: a", "$.path is missing"),
    ("path: a", "$.name is missing"),
    ("name: a\npath: b\ntype: onnx", "$.type is 'onnx'; expected custom_model, mlflow_model"),
    ("name: a\npath: azureml://jobs/x/outputs/y", "$.path is 'azureml://jobs/x/outputs/y'"),
    ("name: a\npath: b\nswerve: {colums: [a]}", "did you mean 'columns'"),
    ("name: a\npath: b\nswerve: {columns: [a, a]}", "$.swerve.columns[1] is 'a'"),
    ("name: a\npath: b\nswerve: {columns: []}", "a list of at least one name"),
    ("name: a\npath: b\nswerve: {warmup: {rtol: -1}}", "$.swerve.warmup.rtol"),
  ])
  func `a wrong document is refused at its place`(text: String, message: String) {
    #expect {
      try registration(text, file: "/models/a/model.yml")
    } throws: {
      "\($0)".contains(message)
    }
  }
}
