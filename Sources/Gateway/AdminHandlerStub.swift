package import HTTP
package import Registry
package import Serving
package import Telemetry

/// Stands in until the admin API lands.
package final class AdminHandler: HTTPHandler {
  package init(control: ControlPlane, registry: ModelRegistry, log: Log) {}
  package func admit(_ exchange: HTTPExchange) -> HTTPAdmission {
    .refuse(HTTPResponse(status: 501))
  }
  package func handle(_ exchange: HTTPExchange) { exchange.respond(HTTPResponse(status: 501)) }
  package func refusal(status: Int, reason: String) -> HTTPResponse {
    HTTPResponse(status: status)
  }
  package func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {}
}
