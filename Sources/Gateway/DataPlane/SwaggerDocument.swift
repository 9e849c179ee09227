internal import Documents

/// Which of the two descriptions a query asks for. Source: `AZUREML.md` §3.5.
enum DescriptionVersion {
  case swagger, openAPI

  /// - Returns: nil for a version that there is none of. Other parameters are passed over.
  init?(query: String) {
    let asked = query.split(separator: "&").first { $0.hasPrefix("version=") }
    switch asked?.dropFirst("version=".count) {
    case nil, "2", "2.0": self = .swagger
    case "3", "3.0", "3.1": self = .openAPI
    default: return nil
    }
  }
}

/// The same description as Swagger 2.0, what a client gets that asks for no version: made from the
/// OpenAPI document, whose schemas it shares. Source: `AZUREML.md` §3.6.
struct SwaggerDocument {
  let openAPI: DocumentValue
  let endpointName: String

  var value: DocumentValue {
    guard case .object(let source) = openAPI else { return openAPI }
    var document = DocumentObject()
    document["swagger"] = "2.0"
    document["info"] = source["info"]
    document["basePath"] = .string("/endpoints/\(endpointName)")
    document["consumes"] = ["application/json"]
    document["produces"] = ["application/json"]
    if source["security"] != nil {
      document["securityDefinitions"] = [
        "Bearer": ["type": "apiKey", "name": "Authorization", "in": "header"]
      ]
      document["security"] = [["Bearer": []]]
    }
    let failure: DocumentValue = [
      "description": "Why there is none.", "schema": ["$ref": "#/definitions/Error"],
    ]
    document["paths"] = [
      "/": [
        "get": [
          "operationId": "ServiceHealthCheck",
          "summary": "Whether the endpoint can answer; 404 where it cannot.",
          "responses": ["200": ["description": "It can."], "default": failure],
        ]
      ],
      "/swagger.json": [
        "get": [
          "operationId": "GetSwaggerSpec", "summary": "This description.",
          "parameters": [
            [
              "name": "version", "in": "query", "required": false, "type": "string",
              "enum": ["2", "2.0", "3", "3.0", "3.1"],
            ]
          ],
          "responses": [
            "200": ["description": "The description.", "schema": ["type": "object"]],
            "default": failure,
          ],
        ]
      ],
      "/score": [
        "post": [
          "operationId": "RunMLService", "summary": "Scores rows.",
          "parameters": [
            [
              "name": "serviceInputPayload", "in": "body", "required": true,
              "schema": ["$ref": "#/definitions/ServiceInput"],
            ],
            [
              "name": "azureml-model-deployment", "in": "header", "required": false,
              "type": "string",
            ],
          ],
          "responses": [
            "200": [
              "description": "The model's answer.",
              "schema": ["$ref": "#/definitions/ServiceOutput"],
            ],
            "default": failure,
          ],
        ]
      ],
    ]
    if case .object(let components)? = source["components"],
      case .object(var schemas)? = components["schemas"].map(Self.translated)
    {
      // Its parameters have no examples, its schemas do.
      if let example, case .object(var input)? = schemas["ServiceInput"] {
        input["example"] = example
        schemas["ServiceInput"] = .object(input)
      }
      document["definitions"] = .object(schemas)
    }
    return .object(document)
  }

  /// The sample request, where the OpenAPI document has one.
  private var example: DocumentValue? {
    var value = openAPI
    let path = [
      "paths", "/score", "post", "requestBody", "content", "application/json", "example",
    ]
    for name in path {
      guard case .object(let members) = value, let member = members[name] else { return nil }
      value = member
    }
    return value
  }

  /// Without what Swagger 2 does not know: of alternatives the first stays, and a cell that may be
  /// of several kinds is anything.
  private static func translated(_ value: DocumentValue) -> DocumentValue {
    switch value {
    case .object(let members):
      if case .array(let forms)? = members["anyOf"], let first = forms.first {
        return forms.contains(where: isOfParts) ? translated(first) : [:]
      }
      var object = DocumentObject()
      for (key, member) in members.members where key != "oneOf" {
        object[key == "nullable" ? "x-nullable" : key] = translated(member)
      }
      return .object(object)
    case .array(let elements): return .array(elements.map(translated))
    case .null, .bool, .integer, .double, .string: return value
    }
  }

  private static func isOfParts(_ schema: DocumentValue) -> Bool {
    guard case .object(let members) = schema else { return false }
    return members["type"] == "array" || members["type"] == "object"
  }
}
