import ArgumentParser
import Documents
import Gateway
import Registry
import Serving

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Data assets: files and folders of the datastore, by name and version.",
    subcommands: [Create.self, Show.self, List.self, Archive.self, Restore.self])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Register data: a local path is copied into the datastore, an address is not.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "The asset's YAML file.") var file: String?
    @Option(name: .shortAndLong) var name: String?
    @Option(name: .shortAndLong, help: "Default: the next free number.") var version: String?
    @Option(
      name: .shortAndLong,
      help: "A file or folder, or azureml://datastores/workspaceblobstore/paths/….")
    var path: String?
    @Option(name: .shortAndLong, help: "uri_folder or uri_file. Default: uri_folder.")
    var type: String?
    @Option(name: .shortAndLong) var description: String?
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []

    func run() throws {
      let control = try client.client()
      var extra: [(String, DocumentValue)] = []
      if let version { extra.append(("version", .string(version))) }
      // Beside a file, too, a path of the command line counts from here.
      if let path {
        extra.append(
          ("path", .string(isAddress(path) ? path : InlineModel.absolutePath(path, in: here))))
      }
      if let type { extra.append(("type", .string(type))) }
      if let description { extra.append(("description", .string(description))) }
      if file == nil && (name == nil || path == nil) {
        throw ValidationError("give --file, or --name and --path")
      }
      let document = try YAMLFile(file, name: name, assignments: assignments, extra: extra)
      let data = try DataDocument(document)
      var body = data.body
      var upload: PackageUpload?
      defer { upload?.remove() }
      if control.remote != nil, !isAddress(data.path) {
        let package = ModelRegistration(name: data.name, version: "1", path: data.path)
        let sent = try PackageUpload([package], to: control)
        body = data.body(path: sent.placed(package).path)
        upload = sent
      }
      let answer = try control.send(
        "PUT", assetPath(data.name, data.version ?? "1"), body: body)
      try output.print(ResourceViews.data(answer.body))
    }

    private var here: String { LocalFile.absolute(".") }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a version; the newest without one.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong) var version: String?
    @Option(name: .shortAndLong, help: "latest.") var label: String?

    func run() throws {
      let control = try client.client()
      if let version {
        return try output.print(
          ResourceViews.data(try control.send("GET", assetPath(name, version)).body))
      }
      let versions = ResourceViews.elements(
        try control.send("GET", "data/\(name.percentEncoded)/versions?$top=1").body)
      guard let newest = versions.first else {
        throw CommandFailure("all versions of data asset '\(name)' are archived")
      }
      try output.print(ResourceViews.data(newest))
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the data assets, or the versions of one.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String?
    @Flag(help: "Archived ones too.") var includeArchived = false

    func run() throws {
      let control = try client.client()
      if let name {
        let view = includeArchived ? "?listViewType=All" : ""
        let answer = try control.send("GET", "data/\(name.percentEncoded)/versions\(view)")
        return try output.print(
          .array(ResourceViews.elements(answer.body).map { ResourceViews.data($0) }))
      }
      let answer = try control.send("GET", "data")
      try output.print(
        .array(
          ResourceViews.elements(answer.body).map { asset in
            [
              "name": ResourceViews.member(asset, "name"),
              "type": ResourceViews.property(asset, "dataType"),
              "latest_version": ResourceViews.property(asset, "latestVersion"),
            ]
          }))
    }
  }

  struct Archive: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Hide a version from lists.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong) var version: String

    func run() throws { try client.client().setArchived(true, at: assetPath(name, version)) }
  }

  struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Undo archive.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong) var version: String

    func run() throws { try client.client().setArchived(false, at: assetPath(name, version)) }
  }
}

private func assetPath(_ name: String, _ version: String) -> String {
  "data/\(name.percentEncoded)/versions/\(version.percentEncoded)"
}

/// Whether a place is the gateway's, and no path of this machine.
func isAddress(_ text: String) -> Bool {
  let lower = text.lowercased()
  return lower.hasPrefix("azureml:") || lower.contains("://")
    || (lower.hasPrefix("/subscriptions/") && lower.contains("/workspaces/"))
}

/// A data asset's YAML. Source: `AZUREML.md` §1.7.
struct DataDocument {
  let name: String
  let version: String?
  /// Absolute, or an address.
  let path: String
  private let properties: DocumentObject

  private static let known = [
    "$schema", "name", "version", "description", "tags", "properties", "type", "path", "datastore",
  ]

  init(_ file: YAMLFile) throws(CommandFailure) {
    guard case .object(let members) = file.document else {
      throw CommandFailure("\(file.path): a data asset must be a mapping")
    }
    for key in members.keys where !Self.known.contains(key) {
      throw CommandFailure(
        "\(file.path): unknown field $.\(key); a data asset has \(Self.known.joined(separator: ", "))"
      )
    }
    guard case .string(let name)? = members["name"] else {
      throw CommandFailure("\(file.path): $.name is missing")
    }
    guard case .string(let place)? = members["path"] else {
      throw CommandFailure("\(file.path): $.path is missing")
    }
    self.name = name
    switch members["version"] {
    case .string(let text)?: version = text
    case .integer(let number)?: version = String(number)
    default: version = nil
    }
    path = isAddress(place) ? place : InlineModel.absolutePath(place, in: file.folder)
    var properties = DocumentObject()
    properties["dataType"] = members["type"]
    properties["description"] = members["description"]
    properties["tags"] = members["tags"]
    var own = DocumentObject()
    if case .object(let given)? = members["properties"] { own = given }
    if version == nil { own["swerve.autoVersion"] = "true" }
    properties["properties"] = .object(own)
    self.properties = properties
  }

  var body: DocumentValue { body(path: path) }

  func body(path: String) -> DocumentValue {
    var properties = properties
    properties["dataUri"] = .string(path)
    return ["properties": .object(properties)]
  }
}
