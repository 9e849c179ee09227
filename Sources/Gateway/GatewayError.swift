/// Why the gateway cannot start.
package struct GatewayError: Error, CustomStringConvertible {
  package var description: String
  package init(_ description: String) { self.description = description }
}
