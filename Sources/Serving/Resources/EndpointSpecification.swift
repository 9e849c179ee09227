package import Documents

/// An online endpoint as its owner wrote it. Source: `AZUREML.md` §1.1.
package struct EndpointSpecification: Sendable, Equatable {
  package enum AuthMode: String, Sendable {
    case key
    case amlToken = "aml_token"
    case aadToken = "aad_token"
  }

  /// As written; compared without case.
  package var name: String
  package var description: String?
  package var tags: [String: String] = [:]
  package var properties: [String: String] = [:]
  package var authMode = AuthMode.key
  /// Percent of requests by deployment, names in lower case. Sums to 0 or 100.
  package var traffic: [String: Int] = [:]
  /// Percent of requests copied to the one deployment named; 0...50.
  package var mirrorTraffic: [String: Int] = [:]
  /// `swerve: {auth: none}`: answers without a key. Only on loopback or behind a proxy.
  package var isOpen = false
  /// Fields with no meaning on one host (`identity`, `compute`, `public_network_access`, …), in
  /// YAML's names: kept, echoed back, reported once.
  package var noted = DocumentObject()

  package init(name: String) { self.name = name }

  /// Reads the YAML document. Unknown fields and bad values are errors with their path.
  package init(yaml document: Document) throws(DocumentError) { fatalError("skeleton") }

  /// The YAML schema's form, as `az ml online-endpoint show` prints it (without the read-only
  /// members).
  package var yaml: DocumentValue { fatalError("skeleton") }
}
