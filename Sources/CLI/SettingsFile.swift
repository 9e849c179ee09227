import Documents
import Gateway

/// `serve --config FILE`: the settings by the flags' long names, in YAML. Relative paths count
/// from the file's folder.
enum SettingsFile {
  static let names = [
    "workspace", "host", "port", "model", "apply", "admin-listen", "tls-cert", "tls-key",
    "tls-upstream", "public-url", "keys-dir", "max-body-bytes", "max-body-bytes-in-flight",
    "max-upload-bytes",
    "max-connections", "max-key-failures", "drain-delay", "drain-timeout", "log-level", "threads",
    "default-endpoint",
    "server-name", "v2-queue-full-status", "model-control",
  ]

  static func read(
    _ path: String, into configuration: inout GatewayConfiguration
  ) throws(CommandFailure) {
    let value: DocumentValue
    do {
      value = try YAMLReader.read(try LocalFile.readText(path), source: path)
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw CommandFailure("\(error)")
    }
    guard case .object(let settings) = value else {
      throw CommandFailure("\(path): settings must be a mapping")
    }
    let folder = LocalFile.folder(of: path)
    var faults: [String] = []
    for (name, value) in settings.members {
      if let fault = set(name, value, folder: folder, in: &configuration) {
        faults.append("\(path): \(fault)")
      }
    }
    guard faults.isEmpty else { throw CommandFailure(faults.joined(separator: "\nswerve: ")) }
  }

  /// - Returns: What is wrong with the setting; nil when it has been taken.
  private static func set(
    _ name: String, _ value: DocumentValue, folder: String,
    in configuration: inout GatewayConfiguration
  ) -> String? {
    func path(_ text: String) -> String { text.hasPrefix("/") ? text : folder + "/" + text }
    switch (name, value) {
    case ("workspace", .string(let text)): configuration.workspace = path(text)
    case ("host", .string(let text)): configuration.host = text
    case ("port", .integer(let number)):
      guard let port = UInt16(exactly: number) else {
        return "port is \(number); expected 0...65535"
      }
      configuration.port = port
    case ("model", .object(let models)):
      for (name, value) in models.members {
        guard case .string(let text) = value else { return "model.\(name) must be a path" }
        configuration.quickModels.append((name, path(text)))
      }
    case ("apply", .string(let text)): configuration.applyPath = path(text)
    case ("admin-listen", .string(let text)): configuration.adminAddress = text
    case ("tls-cert", .string(let text)): configuration.tlsCertificatePath = path(text)
    case ("tls-key", .string(let text)): configuration.tlsKeyPath = path(text)
    case ("tls-upstream", .bool(let flag)): configuration.isTLSUpstream = flag
    case ("public-url", .string(let text)): configuration.publicURL = text
    case ("keys-dir", .string(let text)): configuration.keysFolder = path(text)
    case ("max-body-bytes", .integer(let number)): configuration.maxBodyBytes = Int(number)
    case ("max-body-bytes-in-flight", .integer(let number)):
      configuration.maxBodyBytesInFlight = Int(number)
    case ("max-upload-bytes", .integer(let number)): configuration.maxUploadBytes = Int(number)
    case ("max-connections", .integer(let number)): configuration.maxConnections = Int(number)
    case ("max-key-failures", .integer(let number)): configuration.maxKeyFailures = Int(number)
    case ("drain-delay", .integer(let number)): configuration.drainDelay = .seconds(number)
    case ("drain-timeout", .integer(let number)): configuration.drainTimeout = .seconds(number)
    case ("log-level", .string(let text)): configuration.logLevel = text
    case ("threads", .integer(let number)): configuration.threads = Int(number)
    case ("default-endpoint", .string(let text)): configuration.defaultEndpoint = text
    case ("server-name", .string(let text)): configuration.serverName = text
    case ("v2-queue-full-status", .integer(let number)):
      configuration.queueFullStatus = Int(number)
    case ("model-control", .string(let text)):
      guard let mode = ModelControlMode(rawValue: text) else {
        return "model-control is '\(text)'; expected none or explicit"
      }
      configuration.allowsModelControl = mode == .explicit
    default:
      return names.contains(name)
        ? "\(name) has a value of the wrong type"
        : "unknown setting '\(name)'; known are \(names.joined(separator: ", "))"
    }
    return nil
  }
}
