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
        status: 201, desk.short(job, workspace: request.responses.workspace))
    case .head, .put, .patch, .delete, .options, .trace:
      throw request.notAllowed("GET, POST")
    }
  }

  func endpointJob(
    _ name: String, of endpoint: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let job = try desk.job(name, of: endpoint)
    return .document(status: 200, desk.short(job, workspace: request.responses.workspace))
  }

  func jobs(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    return try list(endpoint: nil, deployment: nil, request)
  }

  func job(_ name: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    return .document(
      status: 200, desk.whole(try desk.job(name, of: nil), request.responses))
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

  func outputs(
    _ output: JobOutput, of name: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let folder = try self.folder(of: output, name, request)
    var files: [DocumentValue] = []
    do throws(StoreError) {
      try Self.addFiles(of: folder, below: "", to: &files)
    } catch {
      throw ARMError(404, "ResourceNotFound", "the output of job '\(name)': \(error)")
    }
    return .document(status: 200, ["value": .array(files)])
  }

  func outputFile(
    _ file: String, _ output: JobOutput, of name: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let folder = try self.folder(of: output, name, request)
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

  private func folder(
    of output: JobOutput, _ name: String, _ request: AdminRequest
  ) throws(ARMError) -> String {
    let job = try desk.job(name, of: nil)
    switch output {
    case .score: return try scoreFolder(of: job, request)
    case .logs:
      guard desk.failedRows(of: job) != nil else {
        throw ARMError(
          404, "ResourceNotFound",
          "job '\(name)' is \(job.status.rawValue) and has no logs; a job has some that is Failed and "
            + "has met rows that fail, and the output of one that is Completed has its own list of them"
        )
      }
      return desk.datastore + "/" + FailedRows.folder(ofJob: job.order.name)
    }
  }

  /// It is there once the job has ended well.
  private func scoreFolder(
    of job: Job, _ request: AdminRequest
  ) throws(ARMError) -> String {
    let name = job.order.name
    guard job.status == .completed else {
      let failedRows = desk.failedRows(of: job).map {
        "; the rows that failed are in its logs, \($0)"
      }
      throw ARMError(
        409, "Conflict",
        "job '\(name)' is \(job.status.rawValue)"
          + (job.reason.map { " (\($0))" } ?? "") + "; its output is there when it is Completed"
          + (failedRows ?? ""))
    }
    let output = job.order.output
    // An admin key opens no other folders of this machine.
    guard request.caller.isLocal || output.root == desk.datastore else {
      throw ARMError(
        403, "Forbidden",
        "the output of job '\(name)' is at \(output.address), outside of the datastore; it is given "
          + "out over the workspace's socket only")
    }
    return output.root + "/" + output.folder
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
    let wanted = try request.top()
    let limit = min(wanted ?? JobList.usualLength, JobList.maxLength)
    let page = try desk.jobs(
      of: endpoint, deployment: deployment, after: request.query["$skiptoken"], limit: limit)
    let values = page.jobs.map { job in
      endpoint == nil
        ? desk.whole(job, request.responses)
        : desk.short(job, workspace: request.responses.workspace)
    }
    let version = request.query["api-version"].map { "api-version=\(PercentText.encoded($0))" }
    return .document(
      status: 200,
      JobList.body(
        values, page, wanted: wanted, address: request.origin + request.exchange.path,
        query: version))
  }
}

/// A list of jobs in pages, as ARM has them: `nextLink` is there where more follow.
enum JobList {
  /// Jobs of a page where the caller does not say.
  static let usualLength = 100
  static let maxLength = 1000

  /// - Parameters:
  ///   - wanted: `$top`: jobs of all pages together; nil: all there are.
  ///   - address: Where the list was asked for, without its query.
  ///   - query: What else the next page is asked with.
  static func body(
    _ values: [DocumentValue], _ page: JobPage, wanted: Int?, address: String, query: String? = nil
  ) -> DocumentValue {
    var body = DocumentObject(["value": .array(values)])
    let left = wanted.map { $0 - page.jobs.count }
    if let last = page.last, left ?? 1 > 0 {
      let parts = [
        query, left.map { "$top=\($0)" }, "$skipToken=\(PercentText.encoded(last))",
      ]
      body["nextLink"] = .string(address + "?" + parts.compactMap(\.self).joined(separator: "&"))
    }
    return .object(body)
  }
}

extension AdminRequest {
  /// `$top`: how many elements a list has at most; nil where the caller does not say.
  func top() throws(ARMError) -> Int? {
    guard let text = query["$top"] else { return nil }
    guard let number = Int(text), (0...100_000).contains(number) else {
      throw ARMError(
        400, "BadArgument", "$top is '\(text)'; expected a count up to 100000", target: "$top")
    }
    return number
  }
}
