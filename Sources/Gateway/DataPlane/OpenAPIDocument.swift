internal import Documents
internal import Executors
internal import Serving
internal import Tensors

/// What `GET /endpoints/{ep}/swagger.json` answers: OpenAPI 3.0 of one deployment's `/score`, made
/// from its model's signature, with the package's sample request as the example.
struct OpenAPIDocument {
  let endpoint: EndpointRoute
  let deployment: LiveDeployment

  var value: DocumentValue {
    var document = DocumentObject()
    document["openapi"] = "3.0.3"
    document["info"] = [
      "title": .string(endpoint.name),
      "description": .string(
        "Deployment \(deployment.name): model \(deployment.modelName):\(deployment.modelVersion)"),
      "version": .string("\(deployment.generation)"),
    ]
    document["servers"] = [["url": .string("/endpoints/\(endpoint.name)")]]
    document["paths"] = ["/score": ["post": .object(operation)]]
    var components = DocumentObject()
    components["schemas"] = [
      "ServiceInput": input, "ServiceOutput": output,
      "Error": Self.object([
        (
          "error",
          Self.object([
            ("code", Self.string), ("message", Self.string), ("request_id", Self.string),
          ])
        )
      ]),
    ]
    if !endpoint.isOpen {
      components["securitySchemes"] = ["Bearer": ["type": "http", "scheme": "bearer"]]
      document["security"] = [["Bearer": []]]
    }
    document["components"] = .object(components)
    return .object(document)
  }

  private var operation: DocumentObject {
    var content = DocumentObject()
    content["schema"] = Self.reference("ServiceInput")
    if let sample = deployment.sampleRequest,
      // Bare NaN and the like are taken in a request, and are no JSON for a document.
      let example = try? JSONReader.read(sample.span, source: "sample-request.json", maxDepth: 64)
    {
      content["example"] = example
    }
    return DocumentObject([
      "operationId": "RunMLService",
      "summary": "Scores rows.",
      "parameters": [
        [
          "name": "azureml-model-deployment", "in": "header", "required": false,
          "description": "The deployment that answers, whatever the traffic says.",
          "schema": Self.string,
        ]
      ],
      "requestBody": [
        "required": true, "content": ["application/json": .object(content)],
      ],
      "responses": [
        "200": Self.response("The model's answer.", "ServiceOutput"),
        "default": Self.response("Why there is none.", "Error"),
      ],
    ])
  }

  // MARK: The model's side

  /// `{"input_data": …}`: a table by columns, by records or by positions, or an object of named
  /// tensors.
  private var input: DocumentValue {
    let inputs = deployment.model.signature.inputs
    var forms: [DocumentValue] = []
    if let table = DescribedTable(deployment) {
      forms = table.forms
    } else if inputs.count == 1 {
      forms.append(Self.array(of: Self.cell(inputs[0].elementType), shape: inputs[0].shape))
    }
    if inputs.count != 1 || inputs[0].shape.count != 2 {
      var named = Self.object(
        inputs.map { ($0.name, Self.array(of: Self.cell($0.elementType), shape: $0.shape)) })
      if case .object(var schema) = named {
        let required = inputs.filter(\.isRequired).map { DocumentValue.string($0.name) }
        if !required.isEmpty { schema["required"] = .array(required) }
        named = .object(schema)
      }
      forms.append(named)
    }
    var schema = DocumentObject(["type": "object"])
    schema["description"] = .string(
      "Also taken in place of these: MLflow's 'dataframe_split', 'dataframe_records', 'instances' "
        + "and 'inputs'.")
    let rows = forms.count == 1 ? forms[0] : ["anyOf": .array(forms)]
    schema["properties"] = ["input_data": rows, "data": rows]
    schema["oneOf"] = [["required": ["input_data"]], ["required": ["data"]]]
    return .object(schema)
  }

  /// One output is its bare value, several are an object.
  private var output: DocumentValue {
    let outputs = deployment.model.defaultOutputs.map { deployment.model.signature.outputs[$0] }
    if outputs.count == 1 { return Self.schema(of: outputs[0]) }
    return Self.object(outputs.map { ($0.name, Self.schema(of: $0)) })
  }

  private static func schema(of output: ModelOutput) -> DocumentValue {
    switch output.kind {
    case .tensor(let type, let shape):
      return array(of: element(type), shape: shape)
    case .maps(_, let values):
      return [
        "type": "array", "items": ["type": "object", "additionalProperties": element(values)],
      ]
    }
  }

  // MARK: Schemas

  static let string: DocumentValue = ["type": "string"]

  private static func reference(_ name: String) -> DocumentValue {
    ["$ref": .string("#/components/schemas/\(name)")]
  }

  private static func response(_ description: String, _ schema: String) -> DocumentValue {
    [
      "description": .string(description),
      "content": ["application/json": ["schema": reference(schema)]],
    ]
  }

  static func object(_ members: [(String, DocumentValue)]) -> DocumentValue {
    var properties = DocumentObject()
    for (name, schema) in members { properties[name] = schema }
    return ["type": "object", "properties": .object(properties)]
  }

  /// Nested lists, one for each dimension; sizes that are known are written down.
  private static func array(of element: DocumentValue, shape: [Int?]) -> DocumentValue {
    var schema = element
    for (axis, size) in shape.enumerated().reversed() {
      var list = DocumentObject(["type": "array", "items": schema])
      // The first is the row, whatever the file says: rows are as many as the caller sends.
      if let size, axis > 0 {
        list["minItems"] = .integer(Int64(size))
        list["maxItems"] = .integer(Int64(size))
      }
      schema = .object(list)
    }
    return schema
  }

  /// A value that is sent: null is a missing one where the type has any.
  static func cell(_ type: ElementType) -> DocumentValue {
    guard [.float16, .float32, .float64].contains(type), case .object(var schema) = element(type)
    else { return element(type) }
    schema["nullable"] = true
    return .object(schema)
  }

  private static func element(_ type: ElementType) -> DocumentValue {
    switch type {
    case .bool: ["type": "boolean"]
    case .string: string
    case .int64: ["type": "integer", "format": "int64"]
    case .int32: ["type": "integer", "format": "int32"]
    case .uint8, .uint16, .uint32, .uint64, .int8, .int16: ["type": "integer"]
    case .int4, .uint4, .int2, .uint2: ["type": "integer"]
    case .float32: ["type": "number", "format": "float"]
    case .float64: ["type": "number", "format": "double"]
    case .float16, .bfloat16: ["type": "number"]
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      ["type": "number"]
    }
  }
}
