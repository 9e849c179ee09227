internal import Compression
internal import Documents
internal import Executors
internal import HTTP
internal import Serving
internal import Tensors

// TensorFlow Serving's REST API and KServe's version 1: a model is an endpoint, a version or a
// label one of its deployments.

extension DataPlaneHandler {
  func admitPredict(_ exchange: HTTPExchange) -> HTTPAdmission {
    let route = PredictRoute(segments: exchange.pathSegments.dropFirst(2))
    let allowed = route.allowedMethods
    guard allowed.contains(exchange.method) else {
      return refuse(exchange, .methodNotAllowed(allowed: allowed.rawValue), form: .predict)
    }
    switch route {
    case .models:
      let endpoints = authorized(exchange, scope: nil)
      let names = endpoints.map(\.name)
      guard !names.isEmpty || service.table.endpoints.isEmpty else {
        return refuse(exchange, .unauthorized, form: .predict)
      }
      if let refusal = metered(exchange, by: endpoints, form: .predict) { return refusal }
      return answer(exchange, ["models": .array(names.map { .string($0) })])
    case .status(let name, let version):
      return describe(exchange, name, version) { (model) throws(ScoringError) in
        try DataPlaneHandler.status(of: model.endpoint, pinned: model.pinned)
      }
    case .metadata(let name, let version):
      return describe(exchange, name, version) { (model) throws(ScoringError) in
        DataPlaneHandler.metadata(try model.endpoint.describedDeployment(pinned: model.pinned))
      }
    case .predict(let name, let version): return admitPredict(exchange, name, version)
    case .notServed(let verb): return refuse(exchange, .notServed(":\(verb)"), form: .predict)
    case .unknown:
      return refuse(
        exchange,
        .scoring(
          .badInput("Malformed request: \(exchange.method.rawValue) \(exchange.path.prefix(200))")),
        form: .predict)
    }
  }

  /// The endpoint and deployment, if the caller's key opens it.
  private func model(
    _ exchange: HTTPExchange, _ name: String, _ version: String?
  ) throws(Refused) -> ProtocolModel {
    let model: ProtocolModel
    do throws(DataPlaneError) {
      model = try ProtocolModel(name: name, version: version, scope: nil, in: service.table)
    } catch {
      throw Refused(
        error: readiness.state == .starting
          ? .notReady("the gateway is loading its models")
          : hiddenFromStrangers(exchange, error),
        endpoint: service.table.endpoints[name.lowercased()])
    }
    guard isAuthorized(exchange, for: model.endpoint) else {
      throw Refused(error: .unauthorized, endpoint: model.endpoint)
    }
    return model
  }

  /// A refusal and the endpoint that it is about, which decides what the caller may read of it.
  private struct Refused: Error {
    var error: DataPlaneError
    var endpoint: EndpointRoute?
  }

  private func admitPredict(
    _ exchange: HTTPExchange, _ name: String, _ version: String?
  ) -> HTTPAdmission {
    let model: ProtocolModel
    do throws(Refused) {
      model = try self.model(exchange, name, version)
    } catch {
      return refuse(exchange, error.error, form: .predict, endpoint: error.endpoint)
    }
    var coding: ContentCoding?
    if let type = unsupportedContent(exchange, form: .predict, coding: &coding) {
      return refuse(
        exchange, .unsupportedContent(type), form: .predict, endpoint: model.endpoint)
    }
    let scoring = ScoringExchange(
      exchange, handler: self, requestID: identifiers.next(),
      clientRequestID: exchange.header("x-ms-client-request-id").flatMap(clientRequestIdentifier),
      endpoint: model.endpoint,
      pinned: model.pinned ?? exchange.header("azureml-model-deployment"), form: .predict,
      coding: coding)
    switch client(exchange, of: model.endpoint, form: .predict) {
    case .none: break
    case .taken(let key): scoring.take(key)
    case .refused(let refusal): return refusal
    }
    exchange.context = scoring
    return .collect(maxBodyBytes: settings.maxBodyBytes)
  }

  private func describe(
    _ exchange: HTTPExchange, _ name: String, _ version: String?,
    _ describe: (ProtocolModel) throws(ScoringError) -> DocumentValue
  ) -> HTTPAdmission {
    do throws(Refused) {
      let model = try self.model(exchange, name, version)
      if let refusal = metered(exchange, by: [model.endpoint], form: .predict) { return refusal }
      do throws(ScoringError) {
        return answer(exchange, try describe(model), model.endpoint)
      } catch {
        return refuse(exchange, .scoring(error), form: .predict, endpoint: model.endpoint)
      }
    } catch {
      return refuse(exchange, error.error, form: .predict, endpoint: error.endpoint)
    }
  }

  /// Both key sets in one object: TensorFlow Serving's states, and KServe's `ready`.
  private static func status(
    of endpoint: EndpointRoute, pinned: String?
  ) throws(ScoringError) -> DocumentValue {
    var states: [(version: String, state: String, reason: String)] = []
    for deployment in endpoint.deployments.values {
      states.append((deployment.name, "AVAILABLE", ""))
    }
    for (name, reason) in endpoint.unavailable {
      states.append(
        reason == EndpointRoute.loading
          ? (name, "LOADING", "")
          : (
            name, "END",
            endpoint.hidesErrors ? "the model cannot answer" : EndpointRoute.sentence(for: reason)
          ))
    }
    if let pinned {
      let known = states.map(\.version).sorted()
      states = states.filter { $0.version.lowercased() == pinned.lowercased() }
      if states.isEmpty {
        throw .deploymentNotFound(endpoint: endpoint.name, name: pinned, known: known)
      }
    }
    return [
      "name": .string(endpoint.name),
      "ready": .bool(states.contains { $0.state == "AVAILABLE" }),
      "model_version_status": .array(
        states.sorted { $0.version < $1.version }.map { state in
          [
            "version": .string(state.version), "state": .string(state.state),
            "status": [
              "error_code": .string(state.reason.isEmpty ? "OK" : "UNKNOWN"),
              "error_message": .string(state.reason),
            ],
          ]
        }),
    ]
  }

  private static func metadata(_ deployment: LiveDeployment) -> DocumentValue {
    func tensor(_ name: String, _ type: ElementType, _ shape: [Int?]) -> DocumentValue {
      [
        "dtype": .string(type.tensorFlowName), "name": .string(name + ":0"),
        "tensor_shape": [
          "dim": .array(shape.map { ["size": .string(String($0 ?? -1)), "name": ""] }),
          "unknown_rank": false,
        ],
      ]
    }
    var inputs = DocumentObject()
    var outputs = DocumentObject()
    for input in deployment.model.signature.inputs {
      inputs[input.name] = tensor(input.name, input.elementType, input.shape)
    }
    for output in deployment.model.signature.outputs {
      guard case .tensor(let type, let shape) = output.kind else { continue }
      outputs[output.name] = tensor(output.name, type, shape)
    }
    return [
      "model_spec": [
        "name": .string(deployment.endpointName), "signature_name": "",
        "version": .string(deployment.name),
      ],
      "metadata": [
        "signature_def": [
          "signature_def": [
            "serving_default": [
              "inputs": .object(inputs), "outputs": .object(outputs),
              "method_name": "tensorflow/serving/predict",
            ]
          ]
        ]
      ],
    ]
  }
}

extension ElementType {
  fileprivate var tensorFlowName: String {
    switch self {
    case .bool: "DT_BOOL"
    case .uint8: "DT_UINT8"
    case .uint16: "DT_UINT16"
    case .uint32: "DT_UINT32"
    case .uint64: "DT_UINT64"
    case .int8: "DT_INT8"
    case .int16: "DT_INT16"
    case .int32: "DT_INT32"
    case .int64: "DT_INT64"
    case .float16: "DT_HALF"
    case .bfloat16: "DT_BFLOAT16"
    case .float32: "DT_FLOAT"
    case .float64: "DT_DOUBLE"
    case .string: "DT_STRING"
    case .int4: "DT_INT4"
    case .uint4: "DT_UINT4"
    case .int2: "DT_INT2"
    case .uint2: "DT_UINT2"
    case .float8e4m3fn: "DT_FLOAT8_E4M3FN"
    case .float8e4m3fnuz: "DT_FLOAT8_E4M3FNUZ"
    case .float8e5m2: "DT_FLOAT8_E5M2"
    case .float8e5m2fnuz: "DT_FLOAT8_E5M2FNUZ"
    case .float8e8m0: "DT_FLOAT8_E8M0FNU"
    }
  }
}
