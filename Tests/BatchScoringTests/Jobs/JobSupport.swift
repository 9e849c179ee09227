import Glibc
import Testing

@testable import BatchScoring

/// Writes into a file that is there.
func overwrite(_ path: String, at offset: Int, with text: String) throws {
  let file = open(path, O_WRONLY)
  try #require(file >= 0, "\(path)")
  defer { close(file) }
  let bytes = Array(text.utf8)
  #expect(pwrite(file, bytes, bytes.count, off_t(offset)) == bytes.count)
}

extension JobService {
  func jobs(endpoint: String?, deployment: String?, limit: Int) throws(BatchError) -> [Job] {
    try jobs(endpoint: endpoint, deployment: deployment, after: nil, limit: limit).jobs
  }
}
