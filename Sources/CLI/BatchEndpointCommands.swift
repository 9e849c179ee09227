import ArgumentParser
import Documents
import Gateway
import Serving

struct BatchEndpointCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "batch-endpoint",
    abstract: "The stable names that jobs over files go to.",
    subcommands: [
      Create.self, Update.self, ShowEndpoint<BatchEndpointSpecification>.self,
      ListEndpoints<BatchEndpointSpecification>.self,
      DeleteEndpoint<BatchEndpointSpecification>.self,
      Invoke.self, GetEndpointCredentials<BatchEndpointSpecification>.self,
      RegenerateEndpointKeys<BatchEndpointSpecification>.self, ListJobs.self,
    ])

  struct Create: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Create a batch endpoint from YAML.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "The endpoint's name; wins over the file's.")
    var name: String?
    @Option(name: .shortAndLong, help: "The endpoint's YAML file.")
    var file: String?
    @Option(name: .customLong("set"), help: "A member of the YAML: a.b=c. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Accepted for Azure's scripts: an endpoint is made at once.")
    var noWait = false

    func run() throws {
      let specification: BatchEndpointSpecification = try YAMLFile(
        file, name: name, assignments: assignments
      ).endpoint()
      try output.print(try Endpoints(client).put(specification))
    }
  }

  struct Update: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change a batch endpoint: its default deployment, tags, description.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String?
    @Option(name: .shortAndLong, help: "YAML that replaces the endpoint's.")
    var file: String?
    @Option(
      name: .customLong("set"),
      help: "A member of the YAML: defaults.deployment_name=blue. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Accepted for Azure's scripts: a change is in force when this returns.")
    var noWait = false

    func run() throws {
      let endpoints = try Endpoints(client)
      let specification: BatchEndpointSpecification
      if let file {
        specification = try YAMLFile(file, name: name, assignments: assignments).endpoint()
      } else {
        guard let name else { throw ValidationError("give --name, or --file with a name in it") }
        specification = try endpoints.changed(name, assignments)
      }
      try output.print(try endpoints.put(specification))
    }
  }

  struct Invoke: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Score a file or folder: start a job.",
      discussion: """
        Data is a path of this machine, a place in the gateway's datastore \
        (azureml://datastores/workspaceblobstore/paths/…) or a data asset (azureml:NAME:VERSION, \
        azureml:NAME@latest). Over --url it is one of the last two.
        """)
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong, help: "A file, a folder, or an address.")
    var input: String
    @Option(help: "uri_folder or uri_file. Default: whatever lies there.")
    var inputType: String?
    @Option(
      name: [.long, .customLong("output-path")],
      help: "A folder that does not exist yet. Default: azureml/JOB/score/ in the datastore.")
    var output: String?
    @Option(name: .shortAndLong, help: "Default: the endpoint's defaults.deployment_name.")
    var deploymentName: String?
    @Option(help: "The job's name. Default: one is made.") var jobName: String?
    @Option(help: "Which files of the folder: names with *, ? and **.") var glob: String?
    @Option(help: "Kept with the job.") var experimentName: String?
    @Option(help: "Files of one mini-batch, for this job.") var miniBatchSize: Int?
    @Option(
      name: .customLong("set"),
      help:
        "A setting for this job: output_file_name=a.csv, swerve.output.format=jsonl. Repeatable.")
    var assignments: [String] = []
    @Flag(help: "Show the progress until the job ends; exit status 0 when it is Completed.")
    var stream = false
    @Option(
      name: [.customShort("o"), .customLong("output-format")], help: "json, yaml, table or tsv.")
    var format = OutputFormat.json
    @Option(help: "Print only this part of the result.") var query: String?

    func validate() throws { try OutputOptions.check(query: query) }

    func run() throws {
      let control = try client.client()
      var invocation = JobInvocation(input: try address(input, control, flag: "--input"))
      switch inputType?.lowercased().filter({ $0 != "_" }) {
      case nil: break
      case "urifolder": invocation.inputType = "UriFolder"
      case "urifile": invocation.inputType = "UriFile"
      default: throw ValidationError("--input-type is uri_folder or uri_file")
      }
      invocation.output = try output.map { try address($0, control, flag: "--output") }
      invocation.name = jobName
      invocation.glob = glob
      invocation.experimentName = experimentName
      var overrides = DocumentValue.object(DocumentObject())
      if let miniBatchSize {
        overrides = ["mini_batch_size": .integer(Int64(miniBatchSize))]
      }
      try apply(assignments, to: &overrides)
      do {
        try invocation.override(Document(overrides, source: "--set"))
      } catch {
        throw CommandFailure("\(error)")
      }
      let headers = deploymentName.map { [(name: "azureml-model-deployment", value: $0)] } ?? []
      let answer = try control.send(
        "POST", BatchEndpointSpecification.path(name) + "/jobs", headers: headers,
        body: invocation.body)
      let job = ResourceViews.text(answer.body, "name") ?? ""
      if stream {
        let ended = try JobStream(control).follow(job, isKnown: true)
        try printed(ResourceViews.job(ended))
        try JobStream.check(ended)
      } else {
        try printed(
          ResourceViews.job(try control.send("GET", "jobs/\(job.percentEncoded)").body))
      }
    }

    private func printed(_ view: DocumentValue) throws {
      let value = try query.map { try DocumentPath($0).value(in: view) } ?? view
      StandardOutput.write(OutputText.text(of: value, as: format))
    }

    /// A path becomes one from the root; an address stays as it is.
    private func address(
      _ text: String, _ control: ControlClient, flag: String
    ) throws(CommandFailure) -> String {
      if isAddress(text) { return text }
      guard control.remote == nil else {
        throw CommandFailure(
          "\(flag) is '\(text)', a path of this machine, which the gateway at --url cannot read; "
            + "'swerve data create' brings data there, or name a place in its datastore, "
            + "azureml://datastores/workspaceblobstore/paths/…")
      }
      return InlineModel.absolutePath(text, in: LocalFile.absolute("."))
    }
  }

  struct ListJobs: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list-jobs", abstract: "List a batch endpoint's jobs, newest first.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(name: .shortAndLong, help: "How many.") var maxResults = 50

    func run() throws {
      let jobs = try client.client().list(
        BatchEndpointSpecification.path(name) + "/jobs?$top=\(maxResults)")
      try output.print(.array(jobs.map { ResourceViews.job($0) }))
    }
  }
}

private typealias Endpoints = EndpointClient<BatchEndpointSpecification>
