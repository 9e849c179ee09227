internal import Documents
internal import Registry
internal import Serving
internal import Store

/// A control-plane error as a sentence, for the log and the terminal.
func sentence(for error: ControlError) -> String {
  switch error {
  case .endpointNotFound(let name, let known):
    "there is no endpoint '\(name)'" + (known.isEmpty ? "" : "; there are \(listed(known))")
  case .deploymentNotFound(let endpoint, let name, let known):
    "endpoint '\(endpoint)' has no deployment '\(name)'"
      + (known.isEmpty ? "" : "; it has \(listed(known))")
  case .operationNotFound(let id): "there is no operation '\(id)'"
  case .notFound(let sentence): sentence
  case .invalid(let field, let reason): "\(field): \(reason)"
  case .conflict(let reason): reason
  case .document(let error): error.description
  case .documents(let faults): faults.joined(separator: "; ")
  case .registry(let error): registrySentence(for: error)
  case .deployment(let failure): failure.message
  case .store(let error): error.description
  }
}

private func listed(_ names: [String]) -> String { names.joined(separator: ", ") }
