import ArgumentParser
import Documents
import Gateway
import HTTP
import Registry

struct ModelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "model",
    abstract: "Model packages and their immutable versions.",
    subcommands: [
      Create.self, Update.self, List.self, Show.self, Download.self, Archive.self, Restore.self,
      Delete.self, Check.self,
    ])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Register a model: from YAML, or from --name and --path.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "The model's YAML file.") var file: String?
    @Option(name: .shortAndLong) var name: String?
    @Option(name: .shortAndLong, help: "Default: the next free number.") var version: String?
    @Option(name: .shortAndLong, help: "A model file or folder.") var path: String?
    @Option(name: .shortAndLong, help: "custom_model, mlflow_model or triton_model.")
    var type: String?
    @Option(name: .shortAndLong) var description: String?
    @Option(help: "A stage such as Production.") var stage: String?
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []

    func run() throws {
      let control = try client.client()
      var extra: [(String, DocumentValue)] = []
      if let version { extra.append(("version", .string(version))) }
      if let path { extra.append(("path", .string(LocalFile.absolute(path)))) }
      if let type { extra.append(("type", .string(type))) }
      if let description { extra.append(("description", .string(description))) }
      if let stage { extra.append(("stage", .string(stage))) }
      if file == nil && (name == nil || path == nil) {
        throw ValidationError("give --file, or --name and --path")
      }
      var registration = try YAMLFile(file, name: name, assignments: assignments, extra: extra)
        .model()
      var upload: PackageUpload?
      defer { upload?.remove() }
      if control.remote != nil {
        if let known = try RegisteredPackage(registration, at: control) {
          registration.path = known.path
          registration.extraFiles = [:]
        } else {
          let sent = try PackageUpload([registration], to: control)
          registration = sent.placed(registration)
          upload = sent
        }
      }
      // Without a version, the gateway takes the next free one: the path's is a place in the path.
      let answer = try control.send(
        "PUT", versionPath(registration.name, registration.version ?? "1"),
        body: ARM.body(of: registration))
      let view = ResourceViews.model(answer.body, name: registration.name)
      try upload?.check(view)
      try output.print(view)
    }
  }

  struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change what may change: description, tags, properties, stage.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong) var version: String
    @Option(name: .customLong("set"), help: "tags.a=b, description=…, stage=…. Repeatable.")
    var assignments: [String] = []

    func run() throws {
      let control = try client.client()
      let path = versionPath(name, version)
      var body = try control.send("GET", path).body
      var properties = ResourceViews.member(body, "properties")
      try apply(assignments, to: &properties)
      if case .object(var object) = body {
        object["properties"] = properties
        body = .object(object)
      }
      try output.print(
        ResourceViews.model(try control.send("PUT", path, body: body).body, name: name))
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the models, or one model's versions, newest first.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String?
    @Flag(help: "Show archived ones too.") var includeArchived = false
    @Flag(help: "Show only archived ones.") var archivedOnly = false

    func run() throws {
      let control = try client.client()
      let view = archivedOnly ? "ArchivedOnly" : includeArchived ? "All" : "ActiveOnly"
      if let name {
        let answer = try control.send(
          "GET", "models/\(name.percentEncoded)/versions?listViewType=\(view)")
        try output.print(
          .array(ResourceViews.elements(answer.body).map { ResourceViews.model($0, name: name) }))
        return
      }
      let answer = try control.send("GET", "models?listViewType=\(view)")
      try output.print(
        .array(
          ResourceViews.elements(answer.body).map { container in
            .object(
              DocumentObject([
                "name": ResourceViews.member(container, "name"),
                "latest_version": ResourceViews.property(container, "latestVersion"),
                "description": ResourceViews.property(container, "description"),
                "is_archived": ResourceViews.property(container, "isArchived"),
              ]))
          }))
    }
  }

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a version: inputs, outputs, hash, and every deployment that serves it.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong, help: "Default: the newest.") var version: String?
    @Option(name: .shortAndLong, help: "latest.") var label: String?

    func run() throws {
      if let label, label != "latest" {
        throw CommandFailure("label '\(label)' is unknown; the only label is 'latest'")
      }
      let control = try client.client()
      let chosen = try version ?? latestVersion(of: name, with: control)
      let answer = try control.send("GET", versionPath(name, chosen))
      try output.print(ResourceViews.model(answer.body, name: name))
    }
  }

  struct Download: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy a version's package into a folder, each file's hash checked.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong) var version: String
    @Option(
      name: [.customShort("p"), .long], help: "Where the folder NAME is made. Default: here.")
    var downloadPath = "."

    func run() throws {
      let control = try client.client()
      let body = try control.send("GET", versionPath(name, version)).body
      let view = ResourceViews.model(body, name: name)
      guard case .array(let files) = ResourceViews.member(view, "files") else {
        throw CommandFailure("the gateway did not say which files \(name):\(version) has")
      }
      let folder = LocalFile.absolute(downloadPath) + "/" + name
      if LocalFile.exists(folder) { throw CommandFailure("\(folder) exists already") }
      for file in files {
        guard let path = ResourceViews.text(file, "path"),
          let expected = ResourceViews.text(file, "sha256")
        else { continue }
        // By bytes: a slash with a combining mark behind it is a slash to the file system.
        let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
        guard !parts.isEmpty, !parts.contains("..") else {
          throw CommandFailure("'\(path)' is no path inside a package")
        }
        let route = parts.map(\.percentEncoded).joined(separator: "/")
        let target = try DownloadedFile(parts, below: folder)
        var failure: CommandFailure?
        do throws(CommandFailure) {
          let response = try control.sendRaw(
            "GET", versionPath(name, version) + "/package/" + route, receive: target.append)
          if response.status != 200 {
            failure = CommandFailure("file '\(path)': \(ControlClient.sentence(of: response))")
          }
        } catch {
          failure = error
        }
        try target.finish(expectedHash: expected, failure)
      }
      try output.print(["downloaded": .string(folder), "files": .integer(Int64(files.count))])
    }
  }

  struct Archive: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Hide a version, or all versions, from lists.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong) var version: String?

    func run() throws { try client.client().setArchived(true, at: assetPath(name, version)) }
  }

  struct Restore: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Undo archive.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong) var version: String?

    func run() throws { try client.client().setArchived(false, at: assetPath(name, version)) }
  }

  struct Delete: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete a version that no deployment uses.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong) var version: String
    @Flag(name: .shortAndLong, help: "Do not ask.") var yes = false

    func run() throws {
      try confirm("Delete model '\(name):\(version)'?", yes: yes)
      _ = try client.client().send("DELETE", versionPath(name, version))
    }
  }
}

private func versionPath(_ name: String, _ version: String) -> String {
  "models/\(name.percentEncoded)/versions/\(version.percentEncoded)"
}

private func latestVersion(
  of name: String, with control: ControlClient
) throws(CommandFailure) -> String {
  let answer = try control.send(
    "GET",
    "models/\(name.percentEncoded)/versions?$orderBy=createdtime%20desc&$top=1&listViewType=All")
  guard let newest = ResourceViews.elements(answer.body).first,
    let version = ResourceViews.text(newest, "name")
  else { throw CommandFailure("model '\(name)' has no version") }
  return version
}

/// Without a version, all of them.
private func assetPath(_ name: String, _ version: String?) -> String {
  version.map { versionPath(name, $0) } ?? "models/\(name.percentEncoded)"
}
