internal import Documents
internal import HTTP

#if canImport(Glibc)
  internal import Glibc
#endif

extension AdminHandler {
  /// Starts another process in this one's place: the program, nil for the usual one, and how long
  /// it may load. Returns its number.
  package typealias Restart =
    @Sendable (_ executable: String?, _ timeout: Duration) throws(GatewayError) -> Int32

  /// Answers when the new process has taken over, or why it has not.
  func restart(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .post else { throw request.notAllowed("POST") }
    guard let restartProcess else {
      throw ARMError(501, "NotImplemented", "this process cannot be restarted")
    }
    let document = try request.document()
    let (executable, seconds) = try armDocument { () throws(DocumentError) in
      (
        try document.optional("executable")?.text(),
        try document.optional("timeoutSeconds")?.integer(in: 1...86_400) ?? 300
      )
    }
    do throws(GatewayError) {
      let process = try restartProcess(executable, .seconds(seconds))
      return .document(
        status: 200,
        ["pid": .integer(Int64(process)), "previousPid": .integer(Int64(getpid()))])
    } catch {
      throw ARMError(409, "RestartFailed", error.description)
    }
  }
}
