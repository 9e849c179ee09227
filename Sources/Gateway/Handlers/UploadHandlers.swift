internal import Documents
internal import HTTP
internal import Registry
internal import Serving
internal import Store

/// Packages from other machines: begin, blocks, commit; then whoever registers one names it by the
/// path that `begin` answered, and deletes the upload.
extension AdminHandler {
  func beginUpload(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .post else { throw request.notAllowed("POST") }
    let document = try request.document()
    let manifest = try armDocument { () throws(DocumentError) in
      try UploadManifest(document, maxBytes: uploads.maxBytes, needsHashes: false)
    }
    let begun = try armUpload { () throws(UploadError) in try uploads.begin(manifest) }
    return .document(
      status: 201,
      [
        "id": .string(begun.id), "path": .string(begun.path),
        "blockBytes": .integer(Int64(UploadStore.blockByteCount)),
        "idleSeconds": .integer(Int64(clamping: uploads.idleTime / 1_000_000_000)),
      ])
  }

  func uploadBlock(
    _ block: Int, file: Int, of id: String, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .put else { throw request.notAllowed("PUT") }
    guard let text = request.query["of"], let count = Int(text) else {
      throw ARMError(
        400, "BadArgument", "the query needs of=COUNT, the file's number of blocks", target: "of")
    }
    guard let hash = request.exchange.header("x-swerve-sha256"),
      UploadManifest.isHash(hash.lowercased())
    else {
      throw ARMError(
        400, "BadArgument",
        "the header x-swerve-sha256 must hold the block's SHA-256, 64 hexadecimal digits",
        target: "x-swerve-sha256")
    }
    try armUpload { () throws(UploadError) in
      try uploads.write(
        request.exchange.body, block: block, of: count, file: file, upload: id, sha256: hash)
    }
    return HTTPResponse(status: 201)
  }

  func commitUpload(_ id: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .post else { throw request.notAllowed("POST") }
    let document = try request.document()
    let manifest = try armDocument { () throws(DocumentError) in
      try UploadManifest(document, maxBytes: uploads.maxBytes, needsHashes: true)
    }
    let committed = try armUpload { () throws(UploadError) in
      try uploads.commit(manifest, upload: id)
    }
    return .document(
      status: 200, ["id": .string(committed.id), "path": .string(committed.path)])
  }

  func upload(_ id: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .delete else { throw request.notAllowed("DELETE") }
    uploads.remove(id)
    return HTTPResponse(status: 200)
  }

  /// Keeps the upload that a package lies in until it is registered. Over the socket any file of
  /// this machine may be named; over TCP only what was uploaded: a key to models is no key to
  /// every file that the gateway can read.
  func packageLease(
    on registration: ModelRegistration, field: String, _ request: AdminRequest
  ) throws(ARMError) -> UploadStore.Lease? {
    let paths = [registration.path] + registration.extraFiles.values
    let lease = try armUpload { () throws(UploadError) in try uploads.lease(on: paths) }
    if let lease { return lease }
    if request.caller.isLocal { return nil }
    throw ARMError(
      400, "BadArgument",
      "\(field) is '\(registration.path)', which is no upload that has been committed; over TCP a "
        + "package is uploaded first, as 'swerve --url' does",
      target: field)
  }
}

func armUpload<Result>(
  _ body: () throws(UploadError) -> Result
) throws(ARMError) -> Result {
  do { return try body() } catch { throw ARMError(error) }
}

extension ARMError {
  init(_ error: UploadError) {
    switch error {
    case .notFound(let id):
      self.init(
        404, "ResourceNotFound",
        "there is no upload '\(id)'; one that is not used for a while is removed")
    case .tooMany(let limit):
      self.init(429, "TooManyUploads", "\(limit) uploads are open already; try again later")
    case .noRoom(let wanted, let free):
      self.init(
        413, "RequestTooLarge",
        "the files have \(wanted) bytes; \(free) are left of what uploads may have together "
          + "(--max-upload-bytes)")
    case .committedAlready(let id):
      self.init(409, "Conflict", "upload '\(id)' is committed already")
    case .busy(let id):
      self.init(409, "Conflict", "another request is at work with upload '\(id)'; try again")
    case .handingOver:
      self.init(
        409, "Conflict", "the gateway is handing over to its successor; try again in a moment")
    case .noFile(let index, let count):
      self.init(400, "BadArgument", "the upload has no file \(index); it has \(count), from 0")
    case .noBlock(let file, let block, let count, let expected):
      self.init(
        400, "BadArgument",
        "file '\(file)' has no block \(block) of \(count); it has \(expected), from 0")
    case .wrongBlockSize(let file, let block, let received, let expected):
      self.init(
        400, "BadArgument",
        "block \(block) of file '\(file)' has \(received) bytes; expected \(expected)")
    case .wrongBlockHash(let file, let block, let received, let expected):
      self.init(
        400, "HashMismatch",
        "block \(block) of file '\(file)' came with SHA-256 \(received); expected \(expected)")
    case .otherFiles(let begun, let committed):
      self.init(
        400, "BadArgument",
        "the commit names \(committed) files; the upload was begun with \(begun)")
    case .otherFile(let path, let byteCount):
      self.init(
        400, "BadArgument",
        "the upload was begun with file '\(path)' of \(byteCount) bytes; the commit says otherwise")
    case .incomplete(let file, let received, let count, let missing):
      self.init(
        400, "UploadIncomplete",
        "file '\(file)' has \(received) of its \(count) blocks; block \(missing) is missing")
    case .wrongHash(let file, let received, let expected):
      self.init(
        400, "HashMismatch",
        "file '\(file)' came with SHA-256 \(received); expected \(expected)")
    case .store(.noSpace):
      self.init(507, "InsufficientStorage", "no space is left for the upload")
    case .store(let error):
      self.init(500, "InternalServerError", error.description)
    }
  }
}
