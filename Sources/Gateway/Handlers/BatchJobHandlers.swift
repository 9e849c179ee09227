internal import BatchScoring
internal import Documents
internal import HTTP
internal import Serving
internal import Store

#if canImport(Glibc)
  internal import Glibc
#endif

extension AdminHandler {
  /// The jobs of an endpoint, of one that is gone too; POST makes one.
  func endpointJobs(
    _ endpoint: String, deployment: String?, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    switch request.method {
    case .get:
      return try list(endpoint: endpoint, deployment: deployment, request)
    case .post:
      let document = try request.document()
      let caller = JobDesk.Caller(
        actor: request.actor.name, isLocal: request.caller.isLocal,
        deployment: deployment ?? request.exchange.header("azureml-model-deployment"),
        requestIdentifier: request.exchange.header("repeatability_request-id"))
      let job = try desk.submit(document, to: endpoint, by: caller)
      return .document(
        status: 201, JobBody.short(job, workspace: request.responses.workspace))
    case .head, .put, .patch, .delete, .options, .trace:
      throw request.notAllowed("GET, POST")
    }
  }

  func endpointJob(
    _ name: String, of endpoint: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let job = try desk.job(name, of: endpoint)
    return .document(status: 200, JobBody.short(job, workspace: request.responses.workspace))
  }

  func jobs(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    return try list(endpoint: nil, deployment: nil, request)
  }

  func job(_ name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    return .document(
      status: 200, JobBody.whole(try desk.job(name, of: nil), request.responses))
  }

  /// 200 where the job has ended already, else 202: it ends in its own time.
  func cancelJob(_ name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .post else { throw request.notAllowed("POST") }
    let job = try desk.job(name, of: nil)
    if job.status.isFinal { return HTTPResponse(status: 200) }
    try desk.cancel(name, by: request.actor)
    return try ended("job \(name)", request)
  }

  // MARK: Outputs

  func outputs(of name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let (_, folder) = try finished(name, request)
    var files: [DocumentValue] = []
    do throws(StoreError) {
      try Self.addFiles(of: folder, below: "", to: &files)
    } catch {
      throw ARMError(404, "ResourceNotFound", "the output of job '\(name)': \(error)")
    }
    return .document(status: 200, ["value": .array(files)])
  }

  func outputFile(
    _ file: String, of name: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let (_, folder) = try finished(name, request)
    let descriptor: Int32
    do throws(StoreError) {
      descriptor = try ContainedFolder(folder).open(file)
    } catch {
      throw ARMError(404, "ResourceNotFound", "the output of job '\(name)': \(error)")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      close(descriptor)
      throw ARMError(500, "InternalServerError", "'\(file)' cannot be read")
    }
    return HTTPResponse(
      status: 200, headers: [("Content-Type", "application/octet-stream")],
      body: .file(descriptor: descriptor, byteCount: Int(status.st_size)))
  }

  /// The job and its output's folder, which is there once the job has ended well.
  private func finished(
    _ name: String, _ request: AdminRequest
  ) throws(ARMError) -> (Job, folder: String) {
    let job = try desk.job(name, of: nil)
    guard job.status == .completed else {
      throw ARMError(
        409, "Conflict",
        "job '\(name)' is \(job.status.rawValue)"
          + (job.reason.map { " (\($0))" } ?? "") + "; its output is there when it is Completed")
    }
    let output = job.order.output
    // An admin key opens no other folders of this machine.
    guard request.caller.isLocal || output.root == desk.datastore else {
      throw ARMError(
        403, "Forbidden",
        "the output of job '\(name)' is at \(output.address), outside of the datastore; it is given "
          + "out over the workspace's socket only")
    }
    return (job, output.root + "/" + output.folder)
  }

  private static func addFiles(
    of folder: String, below path: String, to files: inout [DocumentValue]
  ) throws(StoreError) {
    for entry in try FolderTree.entries(folder) {
      let name = path.isEmpty ? entry.name : "\(path)/\(entry.name)"
      switch entry.kind {
      case .file:
        files.append(["path": .string(name), "bytes": .integer(Int64(entry.byteCount))])
      case .folder: try addFiles(of: folder + "/" + entry.name, below: name, to: &files)
      case .link, .other: break
      }
    }
  }

  private func list(
    endpoint: String?, deployment: String?, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    let limit = try request.top(default: 100)
    let jobs = try desk.jobs(of: endpoint, deployment: deployment, limit: limit)
    let values = jobs.map { job in
      endpoint == nil
        ? JobBody.whole(job, request.responses)
        : JobBody.short(job, workspace: request.responses.workspace)
    }
    return .document(status: 200, ["value": .array(values)])
  }
}

extension AdminRequest {
  /// `$top`: how many elements a list has at most.
  func top(default count: Int) throws(ARMError) -> Int {
    guard let text = query["$top"] else { return count }
    guard let number = Int(text), (0...100_000).contains(number) else {
      throw ARMError(
        400, "BadArgument", "$top is '\(text)'; expected a count up to 100000", target: "$top")
    }
    return number
  }
}
