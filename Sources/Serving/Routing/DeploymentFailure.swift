/// Why a deployment is `Failed`. `code` is one of Azure's: `BadArgument`, `ResourceNotReady`.
package struct DeploymentFailure: Error, Sendable, Equatable {
  package var code: String
  package var message: String
  package init(code: String, message: String) {
    self.code = code
    self.message = message
  }
}
