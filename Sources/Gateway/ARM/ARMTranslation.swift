package import Documents
package import Registry
package import Serving

// Azure Resource Manager bodies to our specifications and back. Source: `AZUREML.md` §7.4.
// Keys are read in any letter case, numbers may be strings, unknown properties are kept.

package enum ARM {
  /// The body of `PUT …/onlineEndpoints/{name}`.
  package static func body(of specification: EndpointSpecification) -> DocumentValue {
    fatalError("skeleton")
  }
  package static func endpoint(
    name: String, body: Document
  ) throws(DocumentError) -> EndpointSpecification { fatalError("skeleton") }

  /// The body of `PUT …/deployments/{name}`. An inline model travels as
  /// `properties.properties["swerve.model.path"]` and its siblings.
  package static func body(of specification: DeploymentSpecification) -> DocumentValue {
    fatalError("skeleton")
  }
  package static func deployment(
    name: String, endpoint: String, body: Document
  ) throws(DocumentError) -> DeploymentSpecification { fatalError("skeleton") }

  /// The body of `PUT …/models/{name}/versions/{version}`; `modelUri` is an absolute path.
  package static func body(of registration: ModelRegistration) -> DocumentValue {
    fatalError("skeleton")
  }
  package static func model(
    name: String, version: String, body: Document
  ) throws(DocumentError) -> ModelRegistration { fatalError("skeleton") }
}
