import ArgumentParser
import Documents
import Registry
import Serving

struct ApplyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "apply",
    abstract: "Bring the gateway to what a file or folder of YAML says: all of it, or nothing.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions
  @Option(name: .shortAndLong, help: "A YAML file, or a folder of them.") var file: String
  @Flag(help: "Delete what an earlier apply made and no document names any more.")
  var prune = false

  func run() throws {
    try output.print(try sendApply(file, prune: prune, dryRun: false, client.client()))
  }
}

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Say what 'apply' would do, and do none of it.")
  @OptionGroup var client: ClientOptions
  @OptionGroup var output: OutputOptions
  @Option(name: .shortAndLong, help: "A YAML file, or a folder of them.") var file: String
  @Flag(help: "Plan with --prune.") var prune = false

  func run() throws {
    try output.print(try sendApply(file, prune: prune, dryRun: true, client.client()))
  }
}

private func sendApply(
  _ file: String, prune: Bool, dryRun: Bool, _ control: ControlClient
) throws(CommandFailure) -> DocumentValue {
  let documents: [ApplyDocument]
  do {
    documents = try ApplyDocument.read(LocalFile.absolute(file))
  } catch {
    throw CommandFailure("\(error)")
  }
  // A gateway on another machine cannot read what the documents name: what it has not got is sent
  // first.
  var packages: [ModelRegistration] = []
  var indices: [Int?] = documents.map { _ in nil }
  var registered: [RegisteredPackage?] = documents.map { _ in nil }
  if control.remote != nil {
    for (index, document) in documents.enumerated() {
      // What is wrong with a document, the gateway says, and with all others together.
      guard let package = try? document.localPackage() else { continue }
      registered[index] = try RegisteredPackage(package, at: control)
      if registered[index] != nil { continue }
      indices[index] = packages.count
      packages.append(package)
    }
  }
  let upload = packages.isEmpty ? nil : try PackageUpload(packages, to: control)
  defer { upload?.remove() }
  let list = documents.indices.map { position -> DocumentValue in
    var item = DocumentObject([
      "path": .string(documents[position].path), "text": .string(documents[position].text),
    ])
    if let index = indices[position], let placed = upload?.placed(packages[index], at: index) {
      item["upload"] = ["path": .string(placed.path), "files": .texts(placed.extraFiles)]
    }
    item["registered"] = registered[position]?.reference
    return .object(item)
  }
  let answer = try control.send(
    "POST", "apply",
    body: ["documents": .array(list), "prune": .bool(prune), "dryRun": .bool(dryRun)])
  return answer.body
}
