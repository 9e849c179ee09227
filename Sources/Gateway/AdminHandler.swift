internal import Documents
package import HTTP
package import Registry
package import Serving
package import Telemetry

/// The control plane: Azure Resource Manager paths and bodies over the workspace's socket.
///
/// Whoever can open the socket (mode 0600) is the owner. A request may block: the socket has a
/// server, and so threads, of its own. Source: `AZUREML.md` §7.2, §7.3.
package final class AdminHandler: HTTPHandler {
  /// Documents come whole in one body.
  static let maxBodyBytes = 16 << 20

  private let routes: AdminRoutes
  private let log: Log

  /// - Parameters:
  ///   - isReady: Whether everything that the workspace names has loaded.
  ///   - scoringAddress: `http://127.0.0.1:8080`; empty before the address is known.
  package init(
    control: ControlPlane, registry: ModelRegistry, log: Log,
    isReady: @escaping @Sendable () -> Bool = { true },
    scoringAddress: @escaping @Sendable () -> String
  ) {
    routes = AdminRoutes(
      control: control, registry: registry, isReady: isReady, scoringAddress: scoringAddress)
    self.log = log
  }

  package func admit(_ exchange: HTTPExchange) -> HTTPAdmission {
    .collect(maxBodyBytes: AdminHandler.maxBodyBytes)
  }

  package func handle(_ exchange: HTTPExchange) {
    exchange.respond(routes.answer(AdminRequest(exchange)))
  }

  package func refusal(status: Int, reason: String) -> HTTPResponse {
    AdminAnswer.error(status: status, code: AdminAnswer.code(of: status), message: reason)
  }

  package func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {
    let isRead = exchange.method == .get
    log.write(
      isRead ? .debug : .info, "control request",
      [
        "method": .string(exchange.method.rawValue), "path": .string(exchange.path),
        "code": .integer(Int64(exchange.status)),
        "uid": .integer(Int64(exchange.peerUserID ?? UInt32.max)),
      ])
  }
}
