import ArgumentParser
import Documents
import Registry
import Serving

extension ModelCommand {
  struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Say what a model is, its inputs and outputs, and whether it is run here.",
      discussion: """
        Needs no gateway. Every operator that is missing is named, not only the first. Exit \
        status 0 when the model is run, 1 when it is not.
        """)
    @Argument(help: "A model file, an MLflow folder, or a package folder with a model.yml.")
    var path: String
    @Option(name: [.customShort("o"), .long], help: "json, yaml, table or tsv. Default: lines.")
    var output: OutputFormat?

    func run() throws {
      let path = LocalFile.absolute(path)
      let check: ModelCheck
      if LocalFile.exists(path + "/model.yml") {
        let registration = try Check.registration(path + "/model.yml")
        check = ModelCheck(
          path: registration.path, type: registration.type, properties: registration.properties)
      } else {
        check = ModelCheck(path: path)
      }
      if let output {
        StandardOutput.write(OutputText.text(of: check.document, as: output))
      } else {
        StandardOutput.write(check.text)
      }
      if !check.isRun { endProcess(1) }
    }

    private static func registration(
      _ file: String
    ) throws(CommandFailure) -> ModelRegistration {
      let text = try LocalFile.readText(file)
      do {
        let document = Document(try YAMLReader.read(text, source: file), source: file)
        return try ModelYAML.registration(document, file: file)
      } catch {
        throw CommandFailure("\(error)")
      }
    }
  }
}

/// Prints `Sources/SUPPORT.md`.
struct SupportMatrixCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "support-matrix", abstract: "What is run, as a page.", shouldDisplay: false)

  func run() { StandardOutput.write(SupportMatrix.page) }
}
