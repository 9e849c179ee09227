import Documents
import Executors
import HTTP
import Telemetry
import Tensors
import Testing

@testable import Gateway
@testable import Serving

/// `GET /endpoints/{ep}/swagger.json` over real HTTP.
@Suite struct OpenAPITests {
  private func get(
    _ fixture: DataPlaneFixture, _ path: String = "/endpoints/breast-cancer/swagger.json",
    method: String = "GET", key: String? = DataPlaneFixture.key, pinned: String? = nil
  ) throws -> HTTPClient.Response {
    var headers: [(name: String, value: String)] = []
    if let key { headers.append(("Authorization", "Bearer \(key)")) }
    if let pinned { headers.append(("azureml-model-deployment", pinned)) }
    return try fixture.client().send(method: method, path: path, headers: headers)
  }

  @Test func `it is for those who may score, and describes the deployment with the most traffic`()
    throws
  {
    let fixture = try DataPlaneFixture()
    try fixture.installBreastCancer(traffic: ["blue": 10, "green": 90])
    #expect(try get(fixture, key: nil).status == 401)
    #expect(try get(fixture, key: "wrong").status == 401)
    #expect(try get(fixture, method: "POST").status == 405)
    #expect(try get(fixture, "/endpoints/nope/swagger.json").status == 404)
    let swagger = try get(fixture)
    #expect(swagger.status == 200)
    #expect(swagger.text.contains("\"swagger\":\"2.0\""))
    let paths = try JSONReader.read(swagger.text, source: "swagger.json").member("paths")
    for (path, operation) in [
      ("/", "ServiceHealthCheck"), ("/swagger.json", "GetSwaggerSpec"), ("/score", "RunMLService"),
    ] {
      let methods = paths?.member(path)
      let described = methods?.member("get") ?? methods?.member("post")
      #expect(described?.member("operationId") == .string(operation))
      guard methods?.member("get") != nil else { continue }
      #expect(try get(fixture, "/endpoints/breast-cancer" + path).status == 200)
    }
    #expect(swagger.text.contains("\"$ref\":\"#/definitions/ServiceInput\""))
    #expect(!swagger.text.contains("anyOf") && !swagger.text.contains("#/components"))
    for (query, status, member) in [
      ("version=2", 200, "swagger"), ("version=2.0", 200, "swagger"),
      ("version=2&x=1", 200, "swagger"), ("x=1&version=3", 200, "openapi"),
      ("version=3.0", 200, "openapi"), ("version=3.1", 200, "openapi"), ("x=1", 200, "swagger"),
      ("version=1", 404, "error"), ("version=", 404, "error"), ("version=22", 404, "error"),
    ] {
      let answer = try get(fixture, "/endpoints/breast-cancer/swagger.json?\(query)")
      #expect(answer.status == status, "\(query)")
      #expect(try JSONReader.read(answer.text, source: query).member(member) != nil, "\(query)")
    }
    #expect(try get(fixture, pinned: "nope").status == 404)
    let response = try get(fixture, "/endpoints/breast-cancer/swagger.json?version=3")
    #expect(response.status == 200)
    #expect(response.header("azureml-model-deployment") == "green")
    #expect(try get(fixture, pinned: "blue").header("azureml-model-deployment") == "blue")
    #expect(try get(fixture, method: "HEAD").status == 200)
    let document = try JSONReader.read(response.text, source: "swagger.json")
    #expect(problems(in: document) == [])
    #expect(document.value(at: "security[0].Bearer") == [])
    #expect(document.value(at: "servers[0].url") == "/endpoints/breast-cancer")
    #expect(document.value(at: "info.version") == "7")
  }

  @Test(arguments: [
    ("breast-cancer/1/model.json", "breast-cancer/1"), ("diabetes/1/model.txt", "diabetes/1"),
    ("iris/1/model.onnx", "iris/1"), ("digits/1/model.onnx", "digits/1"),
  ])
  func `each sample model has a valid document with its sample as the example`(
    model: String, package: String
  ) throws {
    let sample = try fileBytes(
      repository + "/models/\(package)/sample-request.json", maxBytes: 1 << 20)
    let specification = DeploymentSpecification(name: "blue", endpointName: "any")
    let deployment = LiveDeployment(
      specification, generation: 1, modelName: "any", modelVersion: "1",
      model: try ModelLoader.load(path: repository + "/models/" + model),
      metrics: MetricRegistry(), cost: CostEstimate(nanoseconds: 1, bodyByteCount: 1),
      sampleRequest: sample)
    let endpoint = EndpointRoute(
      name: "any", split: TrafficSplit(["blue": 100]), deployments: [deployment],
      unavailable: [:], keys: [], isOpen: true)
    let document = OpenAPIDocument(endpoint: endpoint, deployment: deployment).value
    #expect(problems(in: document) == [])
    #expect(document.value(at: "security") == nil)
    let post = document.value(at: "paths")?.member("/score")?.member("post")
    let content = post?.member("requestBody")?.member("content")?.member("application/json")
    let example = try JSONReader.read(sample.span, source: "sample")
    #expect(content?.member("example") == example)
    let swagger = SwaggerDocument(openAPI: document, endpointName: "any").value
    #expect(swagger.value(at: "definitions.ServiceInput.example") == example)
  }

  /// The forms of `input_data` of iris, its signature changed.
  private func forms(
    _ change: (inout ModelSignature) -> Void
  ) throws -> (openAPI: DocumentValue?, swagger: DocumentValue?) {
    var model = try ModelLoader.load(path: repository + "/models/iris/1/model.onnx")
    change(&model.signature)
    let deployment = LiveDeployment(
      DeploymentSpecification(name: "blue", endpointName: "any"), generation: 1,
      modelName: "any", modelVersion: "1", model: model, metrics: MetricRegistry(),
      cost: CostEstimate(nanoseconds: 1, bodyByteCount: 1))
    let endpoint = EndpointRoute(
      name: "any", split: TrafficSplit(["blue": 100]), deployments: [deployment],
      unavailable: [:], keys: [], isOpen: true)
    let document = OpenAPIDocument(endpoint: endpoint, deployment: deployment).value
    #expect(problems(in: document) == [])
    let path = "ServiceInput.properties.input_data"
    return (
      document.value(at: "components.schemas.\(path)"),
      SwaggerDocument(openAPI: document, endpointName: "any").value.value(
        at: "definitions.\(path)")
    )
  }

  private let number: DocumentValue = ["type": "number", "format": "float", "nullable": true]

  @Test func `categories may be sent by name, floats may be missing`() throws {
    let (openAPI, swagger) = try forms {
      $0.inputs[0].columns = ["a", "b", "c", "d"]
      $0.inputs[0].categories = [
        1: ColumnCategories([.text("red"), .text("blue")], unknownIsMissing: false)
      ]
    }
    let named: DocumentValue = ["anyOf": [number, ["type": "string"]]]
    #expect(openAPI?.value(at: "anyOf[0].properties.data.items.items") == named)
    let record = openAPI?.value(at: "anyOf[1].items")
    #expect(record?.value(at: "properties.a") == number)
    #expect(record?.value(at: "properties.b") == named)
    #expect(record?.value(at: "required") == ["a", "b", "c", "d"])
    #expect(openAPI?.value(at: "anyOf[2].items.items") == named)
    // Swagger 2 has no alternatives: any value.
    #expect(swagger?.value(at: "properties.data.items.items") == [:])
  }

  @Test func `a model of tensors with missing values says so in both descriptions`() throws {
    let (openAPI, swagger) = try forms { _ in }
    #expect(openAPI?.value(at: "anyOf[1].items.items") == number)
    #expect(swagger?.value(at: "properties.data.items.items.x-nullable") == true)
    #expect(swagger?.value(at: "properties.data.items.items.nullable") == nil)
  }

  @Test func `a signature that demands names is not described with bare rows`() throws {
    let (openAPI, _) = try forms {
      $0.inputs[0].columns = ["a", "b", "c", "d"]
      $0.inputs[0].columnRules = [.number, .integer(bits: 64), .boolean, .number]
      $0.inputs[0].optionalColumns = [3]
    }
    guard case .array(let forms)? = openAPI?.value(at: "anyOf") else {
      Issue.record("no forms")
      return
    }
    #expect(forms.count == 2)
    #expect(forms[0].value(at: "required") == ["columns", "data"])
    #expect(forms[1].value(at: "items.required") == ["a", "b", "c"])
    #expect(forms[1].value(at: "items.properties.b.type") == "integer")
    #expect(forms[1].value(at: "items.properties.c.type") == "boolean")
  }

  @Test func `inputs of one column each are a table too`() throws {
    let (openAPI, _) = try forms {
      var text = $0.inputs[0]
      $0.inputs[0].name = "age"
      $0.inputs[0].shape = [nil, 1]
      text.name = "city"
      text.shape = [nil, 1]
      text.elementType = .string
      $0.inputs.append(text)
    }
    #expect(
      openAPI?.value(at: "anyOf[0].properties.columns.items.enum") == ["age", "city"])
    let cell: DocumentValue = ["anyOf": [number, ["type": "string"]]]
    #expect(openAPI?.value(at: "anyOf[0].properties.data.items.items") == cell)
    #expect(openAPI?.value(at: "anyOf[1].items.properties.city") == ["type": "string"])
    #expect(openAPI?.value(at: "anyOf[3].properties.age.items.items") == number)
  }

  /// What OpenAPI 3.0 asks of a document, as far as ours uses it: the required members of each
  /// object, references that lead somewhere, schemas of known types, arrays with items.
  private func problems(in document: DocumentValue) -> [String] {
    var problems: [String] = []
    func require(_ value: DocumentValue?, _ name: String, _ kind: (DocumentValue) -> Bool) {
      if value.map(kind) != true { problems.append("\(name): \(String(describing: value))") }
    }
    require(document.member("openapi"), "openapi") { $0 == "3.0.3" }
    for name in ["title", "version"] {
      require(document.member("info")?.member(name), "info.\(name)") { $0.isText }
    }
    let schemas = document.member("components")?.member("schemas")
    func check(schema: DocumentValue, _ place: String) {
      guard case .object(let object) = schema else { return problems.append("\(place) no object") }
      if case .string(let reference)? = object["$ref"] {
        let name = reference.split(separator: "/").last.map(String.init) ?? ""
        if !reference.hasPrefix("#/components/schemas/") || schemas?.member(name) == nil {
          problems.append("\(place): \(reference) leads nowhere")
        }
        return
      }
      if case .array(let forms)? = object["anyOf"] {
        if forms.isEmpty { problems.append("\(place): empty anyOf") }
        for (index, form) in forms.enumerated() { check(schema: form, "\(place).\(index)") }
      } else if let type = object["type"] {
        let types: [DocumentValue] = [
          "object", "array", "string", "number", "integer", "boolean",
        ]
        if !types.contains(type) { problems.append("\(place): type \(type)") }
        if type == "array", object["items"] == nil { problems.append("\(place) has no items") }
      }
      if let items = object["items"] { check(schema: items, place + ".items") }
      if case .object(let properties)? = object["properties"] {
        for (name, value) in properties.members { check(schema: value, "\(place).\(name)") }
      }
      if case .array(let required)? = object["required"], required.isEmpty {
        problems.append("\(place): an empty 'required' is not allowed")
      }
    }
    guard case .object(let named)? = schemas else { return problems + ["no schemas"] }
    for (name, schema) in named.members { check(schema: schema, name) }
    guard case .object(let paths)? = document.member("paths"), paths.count == 1,
      let post = document.member("paths")?.member("/score")?.member("post")
    else { return problems + ["paths"] }
    guard case .object(let responses)? = post.member("responses"), !responses.isEmpty else {
      return problems + ["responses"]
    }
    for (status, response) in responses.members {
      require(response.member("description"), "responses.\(status).description") { $0.isText }
      let content = response.member("content")?.member("application/json")
      check(schema: content?.member("schema") ?? .null, "responses.\(status)")
    }
    let body = post.member("requestBody")?.member("content")?.member("application/json")
    check(schema: body?.member("schema") ?? .null, "requestBody")
    guard case .array(let parameters)? = post.member("parameters") else {
      return problems + ["parameters"]
    }
    for parameter in parameters {
      for name in ["name", "in"] { require(parameter.member(name), name) { $0.isText } }
      check(schema: parameter.member("schema") ?? .null, "parameter")
    }
    return problems
  }
}

extension DocumentValue {
  fileprivate func member(_ name: String) -> DocumentValue? {
    if case .object(let object) = self { return object[name] }
    return nil
  }

  fileprivate var isText: Bool {
    if case .string(let text) = self { return !text.isEmpty }
    return false
  }
}
