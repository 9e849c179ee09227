/// Builds all parts, starts them in order, drains them in order.
package final class GatewayServer {
  /// Opens the workspace and starts everything; prints nothing.
  ///
  /// - Throws: `GatewayError` with a sentence; nothing is left running.
  package init(_ configuration: GatewayConfiguration) throws(GatewayError) {
    fatalError("skeleton")
  }

  /// The address that scoring answers on: `http://127.0.0.1:8080`.
  package var address: String { fatalError("skeleton") }

  /// Serves until SIGTERM or SIGINT, reapplies on SIGHUP; returns the exit status.
  package func run() -> Int32 { fatalError("skeleton") }
}

/// Why the gateway cannot start.
package struct GatewayError: Error, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}
