internal import BatchScoring
internal import Documents
internal import Registry
internal import Serving
internal import Store

#if canImport(Glibc)
  internal import Glibc
#endif

/// What runs jobs: the workspace's `JobService`; tests hand in their own.
protocol JobRunning: Sendable {
  func submit(_ order: JobOrder, requestIdentifier: String?) throws(BatchError) -> Job
  func job(endpoint: String, requestIdentifier: String) throws(BatchError) -> Job?
  func newName() -> String
  func job(_ name: String) throws(BatchError) -> Job?
  func jobs(
    endpoint: String?, deployment: String?, after last: String?, limit: Int
  ) throws(BatchError) -> JobPage
  func cancel(_ name: String, by actor: String) throws(BatchError)
  /// The name of an unfinished job whose output lies in a folder, is it, or holds it.
  func unfinishedJob(writingAt place: JobOrder.Output) throws(BatchError) -> String?
}

extension JobService: JobRunning {}

/// Makes jobs of what callers ask a batch endpoint for: every name resolved, every path checked.
final class JobDesk: Sendable {
  /// Who asks, and for what beside the body.
  struct Caller: Sendable {
    var actor: String
    /// May name files of this machine.
    var isLocal: Bool
    /// `azureml-model-deployment`.
    var deployment: String?
    /// `repeatability_request-id`.
    var requestIdentifier: String?
  }

  let control: ControlPlane
  let jobs: any JobRunning
  /// The default datastore's folder.
  let datastore: String
  private let places = DataPlaces()

  init(control: ControlPlane, jobs: any JobRunning, datastore: String) {
    self.control = control
    self.jobs = jobs
    self.datastore = datastore
  }

  func submit(
    _ document: Document, to endpoint: String, by caller: Caller
  ) throws(ARMError) -> Job {
    try refuseWhenPaused()
    if let identifier = caller.requestIdentifier,
      let known = try armBatch({ () throws(BatchError) in
        try jobs.job(endpoint: endpoint, requestIdentifier: identifier)
      })
    {
      return known
    }
    let order = try order(document, to: endpoint, by: caller)
    return try writing(order.output) { () throws(ARMError) in
      try armBatch { () throws(BatchError) in
        try jobs.submit(order, requestIdentifier: caller.requestIdentifier)
      }
    }
  }

  func cancel(_ name: String, by actor: Actor) throws(ARMError) {
    try refuseWhenPaused()
    try armBatch { () throws(BatchError) in try jobs.cancel(name, by: actor.name) }
  }

  /// The database is, or is about to be, the successor's, which takes the same in a moment.
  private func refuseWhenPaused() throws(ARMError) {
    do throws(ControlError) {
      try control.refuseWhenPaused()
    } catch {
      throw ARMError(503, "ServiceUnavailable", error.description)
    }
  }

  // MARK: Looking

  /// - Parameter endpoint: nil: of any; else another endpoint's job is not found.
  func job(_ name: String, of endpoint: String?) throws(ARMError) -> Job {
    let job = try armBatch { () throws(BatchError) in try jobs.job(name) }
    guard let job, endpoint.map({ $0.lowercased() == job.order.endpoint.lowercased() }) ?? true
    else {
      throw ARMError(
        404, "ResourceNotFound",
        "there is no job '\(name)'" + (endpoint.map { " of batch endpoint '\($0)'" } ?? ""))
    }
    return job
  }

  /// Newest first.
  func jobs(
    of endpoint: String?, deployment: String? = nil, after last: String? = nil, limit: Int
  ) throws(ARMError) -> JobPage {
    do throws(BatchError) {
      return try jobs.jobs(
        endpoint: endpoint, deployment: deployment, after: last, limit: limit)
    } catch .unknownJob(let name) {
      throw ARMError(
        400, "BadArgument", "$skipToken is '\(name)'; expected one of a list's nextLink",
        target: "$skipToken")
    } catch {
      throw ARMError(error)
    }
  }

  /// The address of the list of rows that failed, where a job that failed has left one.
  func failedRows(of job: Job) -> String? {
    FailedRows.path(of: job, in: datastore).map { DataAddress.text(datastorePath: $0) }
  }

  func short(_ job: Job, workspace: String) -> DocumentValue {
    JobBody.short(job, failedRows: failedRows(of: job), workspace: workspace)
  }

  func whole(_ job: Job, _ responses: ARMResponses) -> DocumentValue {
    JobBody.whole(job, failedRows: failedRows(of: job), responses)
  }

  // MARK: Orders

  func order(
    _ document: Document, to endpoint: String, by caller: Caller
  ) throws(ARMError) -> JobOrder {
    let request = try armDocument { () throws(DocumentError) in try JobRequest(document) }
    let deployment = try armControl { () throws(ControlError) in
      try control.batchDeployment(
        named: caller.deployment, of: endpoint, origin: "the header azureml-model-deployment")
    }
    let specification = deployment.specification
    guard let model = deployment.model, let colon = model.lastIndex(of: ":") else {
      throw ARMError(
        409, "ResourceNotReady", "batch deployment '\(specification.name)' has no model")
    }
    if let name = request.name, name.utf8.count > JobOrder.maxNameBytes {
      throw ARMError(
        400, "BadArgument", JobOrder.tooLongName(name), target: "$.properties.name")
    }
    if let name = request.name, !ModelReferenceText.isPathName(name) {
      throw ARMError(
        400, "BadArgument",
        "the job's name '\(name)' is none; expected letters, digits, '.', '_' and '-' without '..'",
        target: "$.properties.name")
    }
    var settings = try armDocument { () throws(DocumentError) in
      try specification.settings.with(
        Document(.object(request.settings), source: document.source, path: "$.properties"),
        own: Document(
          .object(request.extensions), source: document.source, path: "$.properties.properties"))
    }
    let name = request.name ?? jobs.newName()
    let input = try input(request.input, glob: request.glob, caller)
    let output = try output(request.output, ofJob: name, &settings, caller)
    var order = JobOrder(
      name: name, endpoint: specification.endpointName, deployment: specification.name,
      model: String(model[..<colon]),
      modelVersion: String(model[model.index(after: colon)...]), input: input, output: output,
      settings: settings, actor: caller.actor)
    order.properties = request.properties
    return order
  }

  // MARK: Places

  private func input(
    _ place: JobRequest.Place, glob: String?, _ caller: Caller
  ) throws(ARMError) -> JobOrder.Input {
    var input: JobOrder.Input
    switch try address(place, caller) {
    case .datastore(let path):
      input = JobOrder.Input(root: datastore, path: path, address: place.address, glob: glob)
    case .asset(let name, let version):
      let asset = try armControl { () throws(ControlError) in
        try control.dataAsset(name, version: version)
      }
      // Whatever is wrong with the address, the sentence below names it.
      guard case .datastore(let path)? = try? DataAddress(asset.path) else {
        throw ARMError(
          500, "InternalServerError", "data asset \(name) lies at '\(asset.path)', which is unknown"
        )
      }
      input = JobOrder.Input(
        root: datastore, path: path, address: "azureml:\(asset.name):\(asset.version)",
        glob: glob)
    case .local(let path):
      input = try local(path, place, glob: glob)
    }
    let isFolder = try kind(of: input, place) == .folder
    if let isFile = place.isFile, isFile == isFolder {
      throw ARMError(
        400, "BadArgument",
        "\(place.path): '\(place.address)' is a \(isFolder ? "folder" : "file"), not a "
          + (isFile ? "file (UriFile)" : "folder (UriFolder)"),
        target: place.path)
    }
    return input
  }

  /// A folder is its own root; a file's is the folder that it lies in. Where the caller names a link,
  /// that is the file that it leads to now: it is the caller's own machine, and own link. The link's
  /// name says how the file is read, as stores of content have no other (`rows.csv` → `blobs/3f2a`);
  /// a name that says nothing (`latest` → `2026-11.csv`) is none, and the file's own counts.
  private func local(
    _ path: String, _ place: JobRequest.Place, glob: String?
  ) throws(ARMError) -> JobOrder.Input {
    var status = stat()
    guard stat(path, &status) == 0 else {
      throw ARMError(
        400, "BadArgument",
        "\(place.path): '\(path)' cannot be read: \(String(cString: strerror(errno)))",
        target: place.path)
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      return JobOrder.Input(root: path, path: "", address: path, glob: glob)
    }
    guard let file = realPath(path) else {
      throw ARMError(
        400, "BadArgument",
        "\(place.path): '\(path)' cannot be read: \(String(cString: strerror(errno)))",
        target: place.path)
    }
    let (root, name) = (DurableFile.parent(of: file), Self.lastName(of: file))
    let given = Self.lastName(of: path)
    let isNamed = given != name && JobOrder.Input.tellsForm(given)
    return JobOrder.Input(
      root: root, path: name, address: path, glob: glob, name: isNamed ? given : nil)
  }

  private static func lastName(of path: String) -> String {
    pathParts(path).last { !$0.isEmpty } ?? ""
  }

  private func kind(
    of input: JobOrder.Input, _ place: JobRequest.Place
  ) throws(ARMError) -> FolderTree.Entry.Kind {
    if input.path.isEmpty { return .folder }
    do throws(StoreError) {
      let kind = try ContainedFolder(input.root).kind(of: input.path).kind
      guard kind == .file || kind == .folder else {
        throw .io(path: input.path, operation: "read", reason: "it is no file and no folder")
      }
      return kind
    } catch {
      // It says nothing of the input: a scheduled run is tried again.
      if case .busy = error { throw ARMError(503, "ServiceUnavailable", "\(error)") }
      throw ARMError(
        400, "BadArgument", "\(place.path): '\(place.address)' cannot be read: \(error)",
        target: place.path)
    }
  }

  private func output(
    _ place: JobRequest.Place?, ofJob name: String, _ settings: inout BatchSettings,
    _ caller: Caller
  ) throws(ARMError) -> JobOrder.Output {
    guard let place else {
      let folder = "\(JobOrder.Output.defaultFolder)/\(name)/score"
      return JobOrder.Output(
        root: datastore, folder: folder, address: DataAddress.text(datastorePath: folder + "/"))
    }
    let root: String
    var parts: [String]
    let address = try address(place, caller)
    switch address {
    case .datastore(let path):
      root = datastore
      parts = path.isEmpty ? [] : pathParts(path)
    case .local(let path):
      (root, parts) = Self.split(path)
    case .asset:
      throw refusal(place, "'\(place.address)' is a data asset, which is never written")
    }
    if place.isFile == true, let file = parts.popLast() {
      do throws(DocumentError) {
        settings = try settings.with(
          Document(["output_file_name": .string(file)], source: "the request", path: place.path),
          own: Document([:], source: "the request"))
      } catch {
        throw ARMError(error)
      }
    }
    guard !parts.isEmpty else {
      throw refusal(
        place, "'\(place.address)' names no folder of its own; the output is a new folder")
    }
    let folder = parts.joined(separator: "/")
    try refuseReserved(root, folder, place)
    if FolderTree.exists(root + "/" + folder) {
      throw ARMError(
        409, "OutputExists",
        "\(place.path): the output folder '\(folder)' exists already; an output is a new folder, "
          + "which appears when the job has ended",
        target: place.path)
    }
    let shown =
      if case .local = address { root + "/" + folder } else {
        DataAddress.text(datastorePath: folder + "/")
      }
    return JobOrder.Output(root: root, folder: folder, address: shown)
  }

  /// Folders that no job has for itself.
  private func refuseReserved(
    _ root: String, _ folder: String, _ place: JobRequest.Place
  ) throws(ARMError) {
    guard let wanted = DataPlaces.names(root: root, folder: folder, below: datastore) else {
      return
    }
    if wanted.first == DataCopies.folder {
      throw refusal(
        place, "'\(place.address)' lies in \(DataCopies.folder)/, which has uploaded data alone")
    }
    if wanted == [JobOrder.Output.defaultFolder] {
      throw refusal(
        place, "'\(place.address)' is where jobs without an output of their own write theirs")
    }
    if wanted.first == FailedRows.reserved {
      throw refusal(
        place, "'\(place.address)' lies in \(FailedRows.reserved)/, which is the gateway's own")
    }
  }

  /// Data that has a name stays as it is: a job that wrote into it would change the next one's input.
  ///
  /// - Parameter body: Takes the job.
  private func writing<Result>(
    _ output: JobOrder.Output, _ body: () throws(ARMError) -> Result
  ) throws(ARMError) -> Result {
    let names = DataPlaces.names(root: output.root, folder: output.folder, below: datastore)
    guard let names else { return try body() }
    let result = try places.claim(names, isWritten: true) { () throws(ARMError) in
      try refuseDataPlaces(names, output.address)
      return try body()
    }
    guard let result else {
      throw ARMError(
        409, "Conflict",
        "the output '\(output.address)' is being registered as data at this moment; ask again")
    }
    return result
  }

  private func refuseDataPlaces(_ wanted: [String], _ address: String) throws(ARMError) {
    let assets = try armControl { () throws(ControlError) in try control.dataAssetPaths() }
    for asset in assets {
      // One whose address means nothing is no job's input either, and lies nowhere. One of before
      // that holds every job's output keeps none of them away.
      guard case .datastore(let path)? = try? DataAddress(asset),
        DataPlaces.sharedFolder(path) == nil
      else { continue }
      if DataPlaces.overlap(wanted, DataPlaces.names(path)) {
        throw ARMError(
          400, "BadArgument",
          "the output '\(address)' lies in or above a data asset ('\(asset)'), which is never written",
          target: "$.properties.outputData")
      }
    }
  }

  /// - Parameter body: Gives the data its name.
  /// - Throws: Where an unfinished job will yet write into it.
  func keeping<Result>(
    _ asset: DataAsset, _ body: () throws(ARMError) -> Result
  ) throws(ARMError) -> Result {
    guard case .datastore(let path)? = try? DataAddress(asset.path) else { return try body() }
    let result = try places.claim(DataPlaces.names(path), isWritten: false) {
      () throws(ARMError) in
      let place = JobOrder.Output(root: datastore, folder: path, address: asset.path)
      let writer = try armBatch { () throws(BatchError) in
        try jobs.unfinishedJob(writingAt: place)
      }
      if let writer {
        throw ARMError(
          409, "Conflict",
          "$.properties.dataUri: job '\(writer)' will write into '\(asset.path)' and has not ended; a "
            + "version of a data asset never changes: register it when the job has ended",
          target: "$.properties.dataUri")
      }
      return try body()
    }
    guard let result else {
      throw ARMError(
        409, "Conflict",
        "$.properties.dataUri: '\(asset.path)' is becoming a job's output at this moment; ask again",
        target: "$.properties.dataUri")
    }
    return result
  }

  /// The folder that exists, and what is to come below it.
  private static func split(_ path: String) -> (root: String, parts: [String]) {
    var root = path
    var parts: [String] = []
    while root != "/", !isFolder(root) || parts.isEmpty {
      let parent = DurableFile.parent(of: root)
      parts.insert(String(root.dropFirst(parent == "/" ? 1 : parent.count + 1)), at: 0)
      root = parent
    }
    return (root, parts)
  }

  /// Links are followed: whoever may name local paths may use theirs.
  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  private func address(
    _ place: JobRequest.Place, _ caller: Caller
  ) throws(ARMError) -> DataAddress {
    let address: DataAddress
    do { address = try DataAddress(place.address) } catch {
      throw refusal(place, error.reason)
    }
    if case .local(let path) = address, !caller.isLocal {
      throw refusal(
        place,
        "'\(path)' is a path of the gateway's machine, which only its owner may name, over the "
          + "workspace's socket; expected \(DataAddress.expected)")
    }
    return address
  }

  private func refusal(_ place: JobRequest.Place, _ reason: String) -> ARMError {
    ARMError(400, "BadArgument", "\(place.path): \(reason)", target: place.path)
  }
}

/// Does what may fail with jobs, with the error as ARM has it.
func armBatch<Result>(
  _ body: () throws(BatchError) -> Result
) throws(ARMError) -> Result {
  do { return try body() } catch { throw ARMError(error) }
}

extension ARMError {
  init(_ error: BatchError) {
    switch error {
    case .outputExists, .outputNested: self.init(409, "OutputExists", error.description)
    case .nameTaken: self.init(409, "Conflict", error.description)
    case .tooManyJobs: self.init(429, "TooManyRequests", error.description)
    case .unknownJob, .unknownModel: self.init(404, "ResourceNotFound", error.description)
    case .noSpace: self.init(507, "InsufficientStorage", error.description)
    case .store, .unreadable, .outputLost, .io:
      self.init(500, "InternalServerError", error.description)
    case .busy, .unavailable, .cancelNotStored, .interrupted:
      self.init(503, "ServiceUnavailable", error.description)
    case .refused, .inputMissing, .inputChanged, .nothingScored, .text, .tooManyFaults, .scoring:
      self.init(400, "BadArgument", error.description)
    }
  }
}
