import Documents
import Testing

@testable import Gateway

@Suite struct JobRequestTests {
  private static func read(_ text: String) throws -> JobRequest {
    try JobRequest(Document(try JSONReader.read(text, source: "body"), source: "body"))
  }

  @Test func `the documented body is read in either case style`() throws {
    let pascal = try Self.read(
      """
      {"properties": {
        "InputData": {"heart": {"JobInputType": "UriFolder", "Uri": "azureml:rows:1"}},
        "OutputData": {"score": {"JobOutputType": "UriFile", "Uri": "azureml://x/p.csv"}},
        "properties": {"experimentName": "exp1"}}}
      """)
    let camel = try Self.read(
      """
      {"properties": {
        "inputData": {"UriFolder": {"jobInputType": "uri_folder", "uri": "azureml:rows:1"}},
        "outputData": {"score": {"jobOutputType": "UriFile", "uri": "azureml://x/p.csv"}},
        "properties": {"experimentName": "exp1"}}}
      """)
    #expect(pascal.input.address == "azureml:rows:1")
    #expect(pascal.input.isFile == false)
    #expect(pascal.output?.address == "azureml://x/p.csv")
    #expect(pascal.output?.isFile == true)
    #expect(pascal.properties == ["experimentName": "exp1"])
    #expect(camel.input.address == pascal.input.address)
    #expect(camel.input.isFile == pascal.input.isFile)
    #expect(camel.output?.isFile == true)
  }

  @Test func `overrides, a name and what else there is are kept`() throws {
    let request = try Self.read(
      """
      {"properties": {
        "inputData": {"a": {"uri": "azureml:rows:1"}}, "name": "nightly-1", "miniBatchSize": 3,
        "outputFileName": "o.csv", "errorThreshold": "7", "maxConcurrencyPerInstance": 2,
        "retrySettings": {"maxRetries": 1, "timeout": "PT2M"},
        "compute": {"instanceCount": 2, "isLocal": true}, "displayName": "Nightly",
        "tags": {"team": "b"},
        "properties": {"swerve.glob": "*.csv", "swerve.output.columns": "[\\"id\\"]",
          "swerve.mini_batch_rows": "10"}}}
      """)
    #expect(request.name == "nightly-1")
    #expect(request.glob == "*.csv")
    #expect(request.settings["mini_batch_size"] == 3)
    #expect(request.settings["error_threshold"] == "7")
    #expect(request.settings["retry_settings"] == ["max_retries": 1, "timeout": 120])
    #expect(request.extensions["mini_batch_rows"] == "10")
    #expect(request.extensions["output"] == ["columns": ["id"]])
    #expect(request.properties == ["displayName": "Nightly", "tags.team": "b"])
  }

  @Test func `the older form names an address or an asset`() throws {
    let url = try Self.read(
      #"{"properties": {"dataset": {"dataInputType": "DataUrl", "Path": "azureml:a:1"}}}"#)
    #expect(url.input.address == "azureml:a:1")
    let version = try Self.read(
      """
      {"properties": {"dataset":
        {"dataInputType": "DataVersion", "datasetName": "a", "datasetVersion": "2"}}}
      """)
    #expect(version.input.address == "azureml:a:2")
  }

  @Test(arguments: [
    (#"{}"#, "$.properties is missing"),
    (#"{"properties": {}}"#, "$.properties.inputData is missing"),
    (
      #"{"properties": {"inputData": {}}}"#, "$.properties.inputData is empty; expected exactly one"
    ),
    (
      #"{"properties": {"inputData": {"a": {"uri": "x"}, "b": {"uri": "y"}}}}"#,
      "2 inputs (a, b); expected exactly one input"
    ),
    (
      #"{"properties": {"inputData": {"m": {"JobInputType": "Literal", "Value": "1"}}}}"#,
      "$.properties.inputData.m.jobInputType is 'Literal'"
    ),
    (
      #"{"properties": {"inputData": {"m": {"jobInputType": "MLTable", "uri": "x"}}}}"#, "'MLTable'"
    ),
    (#"{"properties": {"inputData": {"m": {}}}}"#, "$.properties.inputData.m.uri is missing"),
    (
      #"{"properties": {"inputData": {"a": {"uri": "x"}}, "outputData": {"a": {"uri": "x"}, "b": {}}}}"#,
      "expected at most one output"
    ),
    (
      #"{"properties": {"inputData": {"a": {"uri": "x"}}, "properties": {"swerve.output.fmt": "csv"}}}"#,
      "unknown field $.properties.properties['swerve.output.fmt']"
    ),
  ])
  func `what cannot be asked for is refused by its place`(body: String, words: String) throws {
    let error = try #require(throws: DocumentError.self) { try Self.read(body) }
    #expect(error.description.contains(words), "\(error)")
  }
}
