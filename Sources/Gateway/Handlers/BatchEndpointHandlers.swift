internal import Documents
internal import HTTP
internal import Registry
internal import Serving
internal import Telemetry

extension AdminHandler {
  func batch(_ route: BatchRoute, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    switch route {
    case .endpoints: try batchEndpoints(request)
    case .endpoint(let name): try batchEndpoint(name, request)
    case .endpointAction(let name, let action):
      try endpointAction(name, .batch, action: action, request)
    case .deployments(let endpoint): try batchDeployments(of: endpoint, request)
    case .deployment(let name, let endpoint):
      try batchDeployment(name, of: endpoint, request)
    case .endpointJobs(let endpoint, let deployment):
      try endpointJobs(endpoint, deployment: deployment, request)
    case .endpointJob(let name, let endpoint):
      try endpointJob(name, of: endpoint, request)
    case .jobs: try jobs(request)
    case .job(let name): try job(name, request)
    case .cancel(let name): try cancelJob(name, request)
    case .outputs(let output, let name): try outputs(output, of: name, request)
    case .outputFile(let file, let output, let name):
      try outputFile(file, output, of: name, request)
    case .assets: try assets(request)
    case .asset(let name): try asset(name, request)
    case .assetVersions(let name): try assetVersions(of: name, request)
    case .assetVersion(let version, let name):
      try assetVersion(version, of: name, request)
    case .schedules: try schedules(request)
    case .schedule(let endpoint): try schedule(of: endpoint, request)
    case .pauseSchedule(let endpoint, let flag):
      try pauseSchedule(of: endpoint, flag, request)
    }
  }

  // MARK: Endpoints

  private func batchEndpoints(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    return .document(
      status: 200,
      ["value": .array(control.batchEndpoints().map { request.responses.batchEndpoint($0) })])
  }

  private func batchEndpoint(
    _ name: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .get:
      let record = try armControl { () throws(ControlError) in try control.batchEndpoint(name) }
      return .document(status: 200, request.responses.batchEndpoint(record))
    case .put, .patch:
      let body = try request.wanted { () throws(ControlError) in
        ARM.body(of: try control.batchEndpoint(name).specification)
      }
      let specification = try armDocument { () throws(DocumentError) in
        try ARM.batchEndpoint(name: name, body: body)
      }
      let (record, created) = try armControl { () throws(ControlError) in
        try control.putBatchEndpoint(specification, by: request.actor)
      }
      note(ResourceNotices.of(specification))
      return try done(
        "batch endpoint \(name)", created: created, request.responses.batchEndpoint(record),
        request)
    case .delete:
      try armControl { () throws(ControlError) in
        try control.deleteBatchEndpoint(name, by: request.actor)
      }
      return try ended("batch endpoint \(name)", request)
    case .head, .post, .options, .trace:
      throw request.notAllowed("GET, PUT, PATCH, DELETE")
    }
  }

  // MARK: Deployments

  private func batchDeployments(
    of endpoint: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let records = try armControl { () throws(ControlError) in
      try control.batchDeployments(of: endpoint)
    }
    return .document(
      status: 200, ["value": .array(records.map { request.responses.batchDeployment($0) })])
  }

  private func batchDeployment(
    _ name: String, of endpoint: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .get:
      let record = try armControl { () throws(ControlError) in
        try control.batchDeployment(name, of: endpoint)
      }
      return .document(status: 200, request.responses.batchDeployment(record))
    case .put, .patch:
      let body = try request.wanted { () throws(ControlError) in
        ARM.body(of: try control.batchDeployment(name, of: endpoint).specification)
      }
      var wanted = try armDocument { () throws(DocumentError) in
        try ARM.batchDeployment(name: name, endpoint: endpoint, body: body)
      }
      // Out of memory, not from the disk: the only error is that there is none.
      let current = try? control.batchDeployment(wanted.name, of: wanted.endpointName)
      try registerUpload(of: &wanted.model, current: current?.specification.model, request) {
        () throws(ControlError) in
        _ = try control.batchEndpoint(endpoint)
      }
      let specification = wanted
      let (record, created) = try armControl { () throws(ControlError) in
        try control.putBatchDeployment(specification, by: request.actor)
      }
      note(ResourceNotices.of(specification))
      return try done(
        "batch deployment \(endpoint)/\(name)", created: created,
        request.responses.batchDeployment(record), request)
    case .delete:
      try armControl { () throws(ControlError) in
        try control.deleteBatchDeployment(name, of: endpoint, by: request.actor)
      }
      return try ended("batch deployment \(endpoint)/\(name)", request)
    case .head, .post, .options, .trace:
      throw request.notAllowed("GET, PUT, PATCH, DELETE")
    }
  }

  // MARK: Parts

  /// The answer to a change that is made already, with the operation that Azure's clients poll.
  private func done(
    _ resource: String, created: Bool, _ body: DocumentValue, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    let operation = try armControl { () throws(ControlError) in
      try control.endedOperation(resource)
    }
    return .document(
      status: created ? 201 : 200, body, headers: Self.operationHeaders(operation, request))
  }
}
