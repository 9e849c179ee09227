internal import Store

/// Why an upload goes no further.
enum UploadError: Error, Equatable {
  case notFound(String)
  case tooMany(limit: Int)
  case noRoom(wanted: Int, free: Int)
  case committedAlready(String)
  /// Another request is at work with it.
  case busy(String)
  /// Another process is about to take the workspace.
  case handingOver
  case noFile(index: Int, count: Int)
  case noBlock(file: String, block: Int, of: Int, expected: Int)
  case wrongBlockSize(file: String, block: Int, received: Int, expected: Int)
  case wrongBlockHash(file: String, block: Int, received: String, expected: String)
  case otherFiles(begun: Int, committed: Int)
  case otherFile(path: String, byteCount: Int)
  case incomplete(file: String, received: Int, of: Int, firstMissing: Int)
  case wrongHash(file: String, received: String, expected: String)
  case store(StoreError)
}
