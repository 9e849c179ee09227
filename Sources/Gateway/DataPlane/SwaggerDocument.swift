internal import Documents

/// The same description as Swagger 2.0, for clients that ask for `?version=2`: made from the
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
    document["paths"] = [
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
            "default": [
              "description": "Why there is none.", "schema": ["$ref": "#/definitions/Error"],
            ],
          ],
        ]
      ]
    ]
    if case .object(let components)? = source["components"], let schemas = components["schemas"] {
      document["definitions"] = Self.translated(schemas)
    }
    return .object(document)
  }

  /// Without what Swagger 2 does not know: of alternatives the first stays.
  private static func translated(_ value: DocumentValue) -> DocumentValue {
    switch value {
    case .object(let members):
      if case .array(let forms)? = members["anyOf"], let first = forms.first {
        return translated(first)
      }
      var object = DocumentObject()
      for (key, member) in members.members where key != "oneOf" {
        object[key] = translated(member)
      }
      return .object(object)
    case .array(let elements): return .array(elements.map(translated))
    case .null, .bool, .integer, .double, .string: return value
    }
  }
}
