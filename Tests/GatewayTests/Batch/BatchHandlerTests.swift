import BatchScoring
import Digest
import Documents
import Foundation
import HTTP
import Serving
import Testing

@testable import Gateway

/// Batch endpoints over a real socket; jobs are taken and none is run.
@Suite struct BatchHandlerTests {
  private static let endpoint = "\(AdminBench.workspace)/batchEndpoints/diabetes-batch"

  /// A gateway with the sample model and a batch endpoint over it.
  private static func bench() throws -> AdminBench {
    let bench = try AdminBench()
    let path = repository + "/models/diabetes/1/model.txt"
    let model = try bench.send(
      "PUT", "\(AdminBench.workspace)/models/diabetes/versions/1",
      ["properties": ["modelUri": .string(path), "modelType": "custom_model"]])
    #expect(model.status == 201, "\(model.body)")
    let made = try bench.send(
      "PUT", endpoint, ["location": "local", "properties": ["authMode": "aadToken"]])
    #expect(made.status == 201, "\(made.body)")
    let deployed = try bench.send("PUT", "\(endpoint)/deployments/lgbm", deployment())
    #expect(deployed.status == 201, "\(deployed.body)")
    return bench
  }

  private static func deployment(model: String = "azureml:diabetes:1") -> DocumentValue {
    [
      "location": "local", "tags": ["a": "b"],
      "properties": [
        "model": ["referenceType": "Id", "assetId": .string(model)], "compute": "azureml:cpu",
        "resources": ["instanceCount": 2, "properties": [:]], "miniBatchSize": 2,
        "maxConcurrencyPerInstance": 2, "errorThreshold": -1,
        "retrySettings": ["maxRetries": 3, "timeout": "PT5M"], "outputAction": "AppendRow",
        "outputFileName": "predictions.csv", "loggingLevel": "Info",
        "properties": ["swerve.output.format": "csv"],
      ],
    ]
  }

  private static func body(
    _ uri: String, _ more: [(String, DocumentValue)] = []
  ) -> DocumentValue {
    var properties = DocumentObject([
      "InputData": ["in": ["JobInputType": "UriFolder", "Uri": .string(uri)]]
    ])
    for (name, value) in more { properties[name] = value }
    return ["properties": .object(properties)]
  }

  private static func write(_ text: String, to path: String, in bench: AdminBench) throws {
    let file = bench.desk.datastore + "/" + path
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: file, atomically: true, encoding: .utf8)
  }

  @Test func `endpoint and deployment are made, shown, changed, put back and deleted`() throws {
    let bench = try Self.bench()
    let shown = try bench.send("GET", Self.endpoint)
    #expect(
      shown.body.value(at: "properties.scoringUri")
        == "http://127.0.0.1:1/batch-endpoints/diabetes-batch/jobs")
    #expect(shown.body.value(at: "properties.authMode") == "AADToken")
    let deployment = try bench.send("GET", "\(Self.endpoint)/deployments/LGBM")
    #expect(deployment.body.value(at: "properties.retrySettings.timeout") == "PT300S")
    #expect(deployment.body.value(at: "properties.outputAction") == "AppendRow")
    #expect(deployment.body.value(at: "properties.provisioningState") == "Succeeded")
    #expect(deployment.body.value(at: "properties.resources.instanceCount") == 2)
    // What a client does: GET, then PUT of the same.
    let again = try bench.send("PUT", "\(Self.endpoint)/deployments/lgbm", deployment.body)
    #expect(again.status == 200, "\(again.body)")
    #expect(again.body.value(at: "properties") == deployment.body.value(at: "properties"))
    #expect(again.response.header("Azure-AsyncOperation") != nil)

    let changed = try bench.send(
      "PATCH", Self.endpoint, ["properties": ["defaults": ["deploymentName": "lgbm"]]])
    #expect(changed.body.value(at: "properties.defaults.deploymentName") == "lgbm")
    let wrong = try bench.send(
      "PATCH", Self.endpoint, ["properties": ["defaults": ["deploymentName": "none"]]])
    #expect(wrong.status == 400)
    let list = try bench.send("GET", "\(AdminBench.workspace)/batchEndpoints")
    #expect(list.body.value(at: "value")?.elements.count == 1)

    let keys = try bench.send("POST", "\(Self.endpoint)/listkeys").body
    guard case .string(let key)? = keys.value(at: "primaryKey") else {
      Issue.record("\(keys)")
      return
    }
    #expect(EndpointKey.isWellFormed(key))
    let renewed = try bench.send(
      "POST", "\(Self.endpoint)/regenerateKeys", ["keyType": "Primary"])
    #expect(renewed.status == 202)
    #expect(
      try bench.send("POST", "\(Self.endpoint)/listKeys").body.value(at: "primaryKey")
        != .string(key))

    #expect(try bench.send("DELETE", "\(Self.endpoint)/deployments/lgbm").status == 202)
    #expect(
      try bench.send("GET", Self.endpoint).body.value(at: "properties.defaults.deploymentName")
        == nil)
    #expect(try bench.send("DELETE", Self.endpoint).status == 202)
    #expect(try bench.send("GET", Self.endpoint).status == 404)
  }

  @Test func `a model that is not there, or takes no rows, is refused`() throws {
    let bench = try Self.bench()
    let unknown = try bench.send(
      "PUT", "\(Self.endpoint)/deployments/two", Self.deployment(model: "azureml:nobody:1"))
    #expect(unknown.status == 404)
    var pipeline = Self.deployment()
    pipeline = pipeline.with("deploymentConfiguration", ["componentId": "azureml:c:1"])
    let refused = try bench.send("PUT", "\(Self.endpoint)/deployments/two", pipeline)
    #expect(refused.status == 400)
    #expect("\(refused.body)".contains("type: pipeline"))
    #expect(try bench.send("GET", "\(Self.endpoint)/deployments/two").status == 404)
    // A damaged package is found when the deployment is made.
    let file = bench.folder + "/models/diabetes/1/model.txt"
    chmod(file, 0o600)
    try "tree\nversion=v4\n".write(toFile: file, atomically: false, encoding: .utf8)
    let damaged = try bench.send("PUT", "\(Self.endpoint)/deployments/two", Self.deployment())
    #expect(damaged.status == 400)
    #expect("\(damaged.body)".contains("model diabetes:1"))
  }

  @Test func `an invocation becomes an order with every name resolved`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    let made = try bench.send(
      "POST", "\(Self.endpoint)/jobs",
      Self.body(
        "azureml://datastores/workspaceblobstore/paths/in/",
        [
          ("outputFileName", "o.jsonl"), ("errorThreshold", 5), ("displayName", "Nightly"),
          ("retrySettings", ["timeout": "PT10S"]),
          ("properties", ["swerve.glob": "*.csv", "experimentName": "e"]),
        ]))
    #expect(made.status == 201, "\(made.body)")
    #expect(made.body.value(at: "name") == "job-1")
    #expect(
      made.body.value(at: "id")
        == .string("\(Self.endpoint)/jobs/job-1"))
    #expect(made.body.value(at: "properties.status") == "Queued")
    let order = try #require(try bench.jobs.job("job-1")).order
    #expect(order.model == "diabetes" && order.modelVersion == "1")
    #expect(order.deployment == "lgbm" && order.endpoint == "diabetes-batch")
    #expect(order.input.root == bench.desk.datastore && order.input.path == "in")
    #expect(order.input.glob == "*.csv")
    #expect(order.output.folder == "azureml/job-1/score")
    #expect(
      order.output.address
        == "azureml://datastores/workspaceblobstore/paths/azureml/job-1/score/")
    #expect(order.settings.outputFileName == "o.jsonl")
    #expect(order.settings.errorThreshold == 5)
    #expect(order.settings.timeoutSeconds == 10 && order.settings.maxRetries == 3)
    #expect(order.settings.miniBatchSize == 2)
    #expect(order.properties == ["displayName": "Nightly", "experimentName": "e"])
    #expect(order.actor.hasPrefix("uid "))

    let job = try bench.send("GET", "\(AdminBench.workspace)/jobs/job-1").body
    #expect(job.value(at: "properties.displayName") == "Nightly")
    #expect(job.value(at: "properties.outputs.score.jobOutputType") == "uri_folder")
    for path in [
      "\(Self.endpoint)/jobs", "/mferp/managementfrontend\(Self.endpoint)/jobs?api-version=x",
      "\(Self.endpoint)/deployments/lgbm/jobs", "\(AdminBench.workspace)/jobs",
    ] {
      let list = try bench.send("GET", path)
      #expect(list.body.value(at: "value")?.elements.count == 1, "\(path): \(list.body)")
    }
    // Deleting the endpoint does not delete its jobs.
    #expect(try bench.send("DELETE", Self.endpoint).status == 202)
    #expect(try bench.send("GET", "\(AdminBench.workspace)/jobs/job-1").status == 200)
    #expect(
      try bench.send("POST", "\(AdminBench.workspace)/jobs/job-1/cancel").status == 202)
    #expect(
      try bench.send("POST", "\(AdminBench.workspace)/jobs/job-1/cancel").status == 200)
    #expect(try bench.send("GET", "\(AdminBench.workspace)/jobs/other").status == 404)
  }

  @Test func `a job's name that is too long is told with its length`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    for (count, status) in [(200, 201), (201, 400), (255, 400), (256, 400), (4000, 400)] {
      let answer = try bench.send(
        "POST", "\(Self.endpoint)/jobs",
        Self.body(
          "azureml://datastores/workspaceblobstore/paths/in",
          [("name", .string(String(repeating: "n", count: count)))]))
      #expect(answer.status == status, "\(count): \(answer.body)")
      if status == 400 {
        #expect("\(answer.body)".contains("has \(count) bytes, and may have 200"))
      }
    }
  }

  @Test func `the same repeatability id is the same job`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    let body = Self.body("azureml://datastores/workspaceblobstore/paths/in")
    let header = [(name: "repeatability_request-id", value: "abc")]
    for _ in 0..<3 {
      let answer = try bench.send("POST", "\(Self.endpoint)/jobs", body, headers: header)
      #expect(answer.body.value(at: "name") == "job-1")
    }
    // Also when what it read is gone: nothing of the order is looked at again.
    let elsewhere = Self.body("azureml://datastores/workspaceblobstore/paths/gone")
    let again = try bench.send("POST", "\(Self.endpoint)/jobs", elsewhere, headers: header)
    #expect(again.body.value(at: "name") == "job-1", "\(again.body)")
    #expect(
      try bench.send("POST", "\(Self.endpoint)/jobs", body).body.value(at: "name") == "job-2")
  }

  @Test func `local paths are the owner's; an output is a new folder`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    let key = try bench.adminKeys.create("remote", by: Actor(name: "test")).key
    let folder = bench.desk.datastore + "/in"
    let remote = try bench.send("POST", "\(Self.endpoint)/jobs", Self.body(folder), key: key)
    #expect(remote.status == 400)
    #expect("\(remote.body)".contains("which only its owner may name"))
    let local = try bench.send("POST", "\(Self.endpoint)/jobs", Self.body(folder))
    #expect(local.status == 201, "\(local.body)")
    #expect(try bench.jobs.job("job-1")?.order.input.root == folder)
    #expect(try bench.jobs.job("job-1")?.order.input.path == "")

    func out(_ uri: String, _ kind: String = "UriFolder") -> DocumentValue {
      Self.body(
        folder,
        [("OutputData", ["s": ["JobOutputType": .string(kind), "Uri": .string(uri)]])])
    }
    let target = bench.folder + "/new/deep"
    #expect(try bench.send("POST", "\(Self.endpoint)/jobs", out(target)).status == 201)
    #expect(try bench.jobs.job("job-2")?.order.output.root == bench.folder)
    #expect(try bench.jobs.job("job-2")?.order.output.folder == "new/deep")
    let file = try bench.send(
      "POST", "\(Self.endpoint)/jobs",
      out("azureml://datastores/workspaceblobstore/paths/out/p.csv", "UriFile"))
    #expect(file.status == 201)
    #expect(try bench.jobs.job("job-3")?.order.output.folder == "out")
    #expect(try bench.jobs.job("job-3")?.order.settings.outputFileName == "p.csv")
    for (uri, kind, status, words) in [
      ("azureml://datastores/workspaceblobstore/paths/in", "UriFolder", 409, "exists already"),
      ("azureml://datastores/workspaceblobstore/paths/in/p.csv", "UriFile", 409, "exists already"),
      (
        "azureml://datastores/workspaceblobstore/paths/p.csv", "UriFile", 400,
        "no folder of its own"
      ),
      ("azureml://datastores/workspaceblobstore/paths/", "UriFolder", 400, "no folder of its own"),
      ("azureml:rows:1", "UriFolder", 400, "never written"),
      ("https://h/x", "UriFolder", 400, "is on 'https'"),
      ("azureml://datastores/workspaceblobstore/paths/../x", "UriFolder", 400, "the part '..'"),
    ] {
      let refused = try bench.send("POST", "\(Self.endpoint)/jobs", out(uri, kind))
      #expect(refused.status == status, "\(uri): \(refused.body)")
      let text = String(decoding: refused.response.body, as: UTF8.self)
      #expect(text.contains(words), "\(uri): \(text)")
    }
    #expect(try bench.jobs.jobs(endpoint: nil, deployment: nil, limit: 100).count == 3)
  }

  @Test func `no output is written into data that has a name`() throws {
    let bench = try Self.bench()
    let paths = "azureml://datastores/workspaceblobstore/paths/"
    for (version, path) in [("1", "in/rows"), ("2", "in/more/a.csv")] {
      try Self.write("age\n1\n", to: path.hasSuffix(".csv") ? path : path + "/a.csv", in: bench)
      let asset = try bench.send(
        "PUT", "\(AdminBench.workspace)/data/rows/versions/\(version)",
        [
          "properties": [
            "dataType": path.hasSuffix(".csv") ? "uri_file" : "uri_folder",
            "dataUri": .string(paths + path),
          ]
        ])
      #expect(asset.status == 201, "\(asset.body)")
    }
    let store = bench.desk.datastore
    // The data of a third is not there yet.
    let coming = try bench.send(
      "PUT", "\(AdminBench.workspace)/data/coming/versions/1",
      ["properties": ["dataType": "uri_folder", "dataUri": .string(paths + "later/rows")]])
    for (uri, status) in [
      (paths + "in/rows/out", 400), (paths + "in/rows/deep/out", 400),
      (store + "/in/rows/out", 400), (paths + "later", coming.status == 201 ? 400 : 201),
      (paths + "LocalUpload/x/rows/out", 400), (paths + "LocalUpload", 400),
      (paths + "azureml", 400), (store + "/azureml/", 400), (paths + "azureml/mine/score", 201),
      (paths + "in/rows2", 201), (paths + "in/more/out", 201), (store + "/in/else", 201),
    ] {
      let answer = try bench.send(
        "POST", "\(Self.endpoint)/jobs",
        Self.body(
          paths + "in",
          [("OutputData", ["s": ["JobOutputType": "UriFolder", "Uri": .string(uri)]])]))
      #expect(answer.status == status, "\(uri): \(answer.body)")
    }
  }

  @Test func `no input leads out of the datastore`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    let store = bench.desk.datastore
    try FileManager.default.createSymbolicLink(
      atPath: store + "/out-link", withDestinationPath: "/etc")
    try FileManager.default.createSymbolicLink(
      atPath: store + "/file-link", withDestinationPath: "/etc/passwd")
    mkfifo(store + "/fifo", 0o600)
    for (path, kind) in [
      ("out-link", "UriFolder"), ("out-link/passwd", "UriFile"), ("file-link", "UriFile"),
      ("fifo", "UriFile"), ("missing", "UriFolder"), ("in", "UriFile"), ("in/a.csv", "UriFolder"),
      ("in/../../swerve.db", "UriFile"), ("%2e%2e/swerve.db", "UriFile"),
    ] {
      let uri = "azureml://datastores/workspaceblobstore/paths/\(path)"
      let refused = try bench.send(
        "POST", "\(Self.endpoint)/jobs",
        [
          "properties": [
            "inputData": ["x": ["jobInputType": .string(kind), "uri": .string(uri)]]
          ]
        ])
      #expect(refused.status == 400, "\(path): \(refused.body)")
    }
    #expect(try bench.jobs.jobs(endpoint: nil, deployment: nil, limit: 1).isEmpty)
  }

  @Test func `a list comes in pages, of which each names the next`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    let body = Self.body("azureml://datastores/workspaceblobstore/paths/in")
    for _ in 0..<205 {
      #expect(try bench.send("POST", "\(Self.endpoint)/jobs", body).status == 201)
    }
    let key = try bench.adminKeys.create("remote", by: Actor(name: "test")).key
    for (query, count, key) in [
      ("?api-version=2024-04-01", 205, nil), ("", 205, key), ("?$top=150", 150, nil),
      ("?$top=100", 100, nil), ("?$top=1", 1, nil), ("?$top=0", 0, nil), ("?$top=3000", 205, nil),
    ] as [(String, Int, String?)] {
      for path in ["\(Self.endpoint)/jobs", "\(AdminBench.workspace)/jobs"] {
        var names: [DocumentValue] = []
        var next: String? = path + query
        while let target = next {
          let page = try bench.send("GET", target, key: key).body
          names += (page.value(at: "value")?.elements ?? []).compactMap { $0.value(at: "name") }
          next = nil
          if case .string(let link)? = page.value(at: "nextLink") {
            // Over the socket a URL has no host.
            let origin = key == nil ? "" : "http://"
            #expect(link.hasPrefix(origin) && (key == nil) == link.hasPrefix("/"), "\(link)")
            #expect(link.contains("api-version=2024-04-01") == query.contains("api-version"))
            let start = link.firstRange(of: "/subscriptions")?.lowerBound
            next = String(link[(start ?? link.startIndex)...])
          }
        }
        let expected = (0..<count).map { DocumentValue.string("job-\(205 - $0)") }
        #expect(names == expected, "\(path)\(query): \(names.count)")
      }
    }
    let wrong = try bench.send("GET", "\(Self.endpoint)/jobs?$skipToken=nobody")
    #expect(wrong.status == 400 && "\(wrong.body)".contains("skipToken is"))
  }

  @Test func `a local input that is a link is the file that it leads to`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/3f2a", in: bench)
    let (file, link) = (bench.desk.datastore + "/in/3f2a", bench.folder + "/rows.csv")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: file)
    func body(_ path: String) -> DocumentValue {
      ["properties": ["inputData": ["x": ["jobInputType": "UriFile", "uri": .string(path)]]]]
    }
    let made = try bench.send("POST", "\(Self.endpoint)/jobs", body(link))
    #expect(made.status == 201, "\(made.body)")
    let input = try #require(try bench.jobs.job("job-1")).order.input
    #expect(input.root + "/" + input.path == file)
    #expect(input.name == "rows.csv" && input.address == link)
    // A name that says nothing is none; one that says another form than the file's own counts.
    try Self.write("[1]\n", to: "in/r.jsonl", in: bench)
    for (number, (link, name)) in [
      ("latest", nil), ("latest.parquet", nil), ("x.csv", "x.csv"), ("r.jsonl", nil),
    ].enumerated() {
      let path = bench.folder + "/" + link
      try FileManager.default.createSymbolicLink(
        atPath: path, withDestinationPath: bench.desk.datastore + "/in/r.jsonl")
      #expect(try bench.send("POST", "\(Self.endpoint)/jobs", body(path)).status == 201, "\(link)")
      let input = try #require(try bench.jobs.job("job-\(number + 2)")).order.input
      #expect(input.path == "r.jsonl" && input.name == name && input.address == path)
    }
    let broken = bench.folder + "/broken.csv"
    try FileManager.default.createSymbolicLink(atPath: broken, withDestinationPath: "/nothing")
    #expect(try bench.send("POST", "\(Self.endpoint)/jobs", body(broken)).status == 400)
    // Only the owner's own paths are looked at so.
    let key = try bench.adminKeys.create("remote", by: Actor(name: "test")).key
    #expect(try bench.send("POST", "\(Self.endpoint)/jobs", body(link), key: key).status == 400)
  }

  @Test func `the rows that failed are given out of a job that failed`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    _ = try bench.send(
      "POST", "\(Self.endpoint)/jobs",
      Self.body("azureml://datastores/workspaceblobstore/paths/in"))
    // Nobody else's output lies where they go.
    let taken = try bench.send(
      "POST", "\(Self.endpoint)/jobs",
      Self.body(
        "azureml://datastores/workspaceblobstore/paths/in",
        [
          (
            "OutputData",
            [
              "score": [
                "JobOutputType": "UriFolder",
                "Uri": "azureml://datastores/workspaceblobstore/paths/.swerve/failed-rows/job-2",
              ]
            ]
          )
        ]))
    #expect(
      taken.status == 400 && "\(taken.body)".contains("lies in .swerve/,"), "\(taken.body)"
    )
    let job = "\(AdminBench.workspace)/jobs/job-1"
    bench.jobs.change("job-1") { $0.status = .failed }
    #expect(try bench.send("GET", job + "/outputs/logs").status == 404)
    #expect(try bench.send("GET", job).body.value(at: "properties.swerve.failedRows") == nil)
    try Self.write("{}\n", to: ".swerve/failed-rows/job-1/errors.jsonl", in: bench)
    let address =
      "azureml://datastores/workspaceblobstore/paths/.swerve/failed-rows/job-1/errors.jsonl"
    for path in [job, "\(Self.endpoint)/jobs/job-1"] {
      #expect(
        try bench.send("GET", path).body.value(at: "properties.swerve.failedRows")
          == .string(address))
    }
    let key = try bench.adminKeys.create("remote", by: Actor(name: "test")).key
    for key in [nil, key] {
      let files = try bench.send("GET", job + "/outputs/logs", key: key).body
      #expect(files.value(at: "value") == [["path": "errors.jsonl", "bytes": 3]])
      let file = try bench.send("GET", job + "/outputs/logs/files/errors.jsonl", key: key)
      #expect(String(decoding: file.response.body, as: UTF8.self) == "{}\n")
      #expect(
        try bench.send("GET", job + "/outputs/logs/files/../score/x", key: key).status != 200)
    }
    let score = try bench.send("GET", job + "/outputs/score")
    #expect(score.status == 409 && "\(score.body)".contains(address), "\(score.body)")
    bench.jobs.change("job-1") { $0.status = .completed }
    #expect(try bench.send("GET", job + "/outputs/logs").status == 404)
  }

  @Test func `a finished job's files are given out, of a running one none`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    _ = try bench.send(
      "POST", "\(Self.endpoint)/jobs",
      Self.body("azureml://datastores/workspaceblobstore/paths/in"))
    let outputs = "\(AdminBench.workspace)/jobs/job-1/outputs/score"
    let early = try bench.send("GET", outputs)
    #expect(early.status == 409)
    #expect("\(early.body)".contains("is Queued"))
    try Self.write("row,prediction\n", to: "azureml/job-1/score/predictions.csv", in: bench)
    try Self.write("x", to: "azureml/job-1/score/sub/b.csv", in: bench)
    bench.jobs.change("job-1") { $0.status = .completed }
    let files = try bench.send("GET", outputs).body
    #expect(
      files.value(at: "value") == [
        ["path": "predictions.csv", "bytes": 15], ["path": "sub/b.csv", "bytes": 1],
      ])
    let file = try bench.send("GET", outputs + "/files/predictions.csv")
    #expect(String(decoding: file.response.body, as: UTF8.self) == "row,prediction\n")
    #expect([400, 404].contains(try bench.send("GET", outputs + "/files/%2e%2e/x").status))
    #expect(try bench.send("GET", outputs + "/files/other.csv").status == 404)
  }

  @Test func `data assets are copied from here, or name what is in the datastore`() throws {
    let bench = try Self.bench()
    let source = bench.folder + "/rows"
    try FileManager.default.createDirectory(
      atPath: source + "/sub", withIntermediateDirectories: true)
    try "age\n1\n".write(toFile: source + "/sub/a.csv", atomically: true, encoding: .utf8)
    func put(
      _ version: String, _ uri: String, _ type: String = "uri_folder", auto: Bool = false,
      key: String? = nil
    ) throws -> (status: Int, body: DocumentValue) {
      let answer = try bench.send(
        "PUT", "\(AdminBench.workspace)/data/rows/versions/\(version)",
        [
          "properties": [
            "dataType": .string(type), "dataUri": .string(uri),
            "properties": auto ? ["swerve.autoVersion": "true"] : [:],
          ]
        ], key: key)
      return (answer.status, answer.body)
    }
    let made = try put("1", source, auto: true)
    #expect(made.status == 201, "\(made.body)")
    #expect(made.body.value(at: "name") == "1")
    let next = try put("1", source, auto: true)
    #expect(next.body.value(at: "name") == "2")
    guard case .string(let uri)? = made.body.value(at: "properties.dataUri"),
      case .datastore(let path)? = try? DataAddress(uri)
    else {
      Issue.record("\(made.body)")
      return
    }
    #expect(path.hasPrefix("LocalUpload/") && path.hasSuffix("/rows"))
    #expect(
      FileManager.default.fileExists(atPath: bench.desk.datastore + "/\(path)/sub/a.csv"))
    #expect(try put("1", source).status == 409)
    #expect(try put("3", source, "uri_file").status == 400)
    #expect(try put("3", uri + "/sub/a.csv", "uri_file").status == 201)
    #expect(try put("4", "https://h/x").status == 400)
    let key = try bench.adminKeys.create("remote", by: Actor(name: "test")).key
    let remote = try put("4", source, key: key)
    #expect(remote.status == 400)
    #expect("\(remote.body)".contains("uploaded first"))

    for (address, expected) in [
      ("azureml:rows:1", path), ("azureml:rows@latest", path + "/sub/a.csv"),
    ] {
      let job = try bench.send(
        "POST", "\(Self.endpoint)/jobs",
        ["properties": ["inputData": ["x": ["uri": .string(address)]]]], key: key)
      #expect(job.status == 201, "\(job.body)")
      guard case .string(let name)? = job.body.value(at: "name") else { continue }
      #expect(try bench.jobs.job(name)?.order.input.path == expected)
    }
    let unknown = try bench.send(
      "POST", "\(Self.endpoint)/jobs",
      ["properties": ["inputData": ["x": ["uri": "azureml:nobody:1"]]]])
    #expect(unknown.status == 404)
  }

  private static func putAsset(
    _ version: String, _ uri: String, _ type: String = "uri_folder", in bench: AdminBench
  ) throws -> (status: Int, text: String) {
    let answer = try bench.send(
      "PUT", "\(AdminBench.workspace)/data/places/versions/\(version)",
      ["properties": ["dataType": .string(type), "dataUri": .string(uri)]])
    return (answer.status, String(decoding: answer.response.body, as: UTF8.self))
  }

  @Test func `what holds the datastore is not copied into it, nor what lies there`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    let store = bench.desk.datastore
    let link = bench.folder + "/way"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: store)
    let folder = "azureml://datastores/workspaceblobstore/paths/FOLDER"
    let inside = "azureml://datastores/workspaceblobstore/paths/in"
    for (path, address) in [
      (store, folder), (store + "/", folder), (bench.folder, folder), (link, folder), ("/", folder),
      (bench.folder + "/datastores", folder), (store + "/in", inside), (link + "/in", inside),
    ] {
      let refused = try Self.putAsset("1", path, in: bench)
      #expect(refused.status == 400, "\(path): \(refused.text)")
      #expect(
        refused.text.contains("the datastore '\(store)'") && refused.text.contains(address),
        "\(path): \(refused.text)")
    }
    let file = try Self.putAsset("1", store + "/in/a.csv", "uri_file", in: bench)
    #expect(file.status == 400 && file.text.contains(inside + "/a.csv"), "\(file.text)")
    #expect(!FileManager.default.fileExists(atPath: store + "/LocalUpload"))
    // A name that only begins like the datastore's is another folder.
    let beside = store + "2"
    try FileManager.default.createDirectory(atPath: beside, withIntermediateDirectories: true)
    #expect(try Self.putAsset("1", beside, in: bench).status == 201)
  }

  @Test func `what the gateway writes for everybody is no data asset`() throws {
    let bench = try Self.bench()
    let paths = "azureml://datastores/workspaceblobstore/paths/"
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    try Self.write("1\n", to: "azureml/old/score/predictions.csv", in: bench)
    try Self.write("{}\n", to: ".swerve/failed-rows/old/errors.jsonl", in: bench)
    try Self.write("age\n1\n", to: "LocalUpload/x/rows/a.csv", in: bench)
    for path in [
      "", "/", "azureml", "azureml/", "LocalUpload", ".swerve", ".swerve/failed-rows",
    ] {
      let refused = try Self.putAsset("1", paths + path, in: bench)
      #expect(refused.status == 400, "'\(path)': \(refused.text)")
    }
    for (version, (path, type)) in [
      ("azureml/old/score", "uri_folder"), ("azureml/old", "uri_folder"),
      ("azureml/old/score/predictions.csv", "uri_file"), ("LocalUpload/x/rows", "uri_folder"),
      (".swerve/failed-rows/old", "uri_folder"),
    ].enumerated() {
      let made = try Self.putAsset("\(version + 1)", paths + path, type, in: bench)
      #expect(made.status == 201, "\(path): \(made.text)")
    }
    func submit(_ name: String) throws -> (status: Int, text: String) {
      let answer = try bench.send(
        "POST", "\(Self.endpoint)/jobs", Self.body(paths + "in", [("name", .string(name))]))
      return (answer.status, String(decoding: answer.response.body, as: UTF8.self))
    }
    // The default output keeps out of data too.
    let refused = try submit("old")
    #expect(refused.status == 400 && refused.text.contains("a data asset"), "\(refused.text)")
    #expect(try submit("new").status == 201)
    // One of before, on all of it, holds up nobody.
    for (version, path) in [("90", ""), ("91", "azureml/")] {
      _ = try bench.control.putDataAsset(
        DataAsset(name: "all", version: version, type: "uri_folder", path: paths + path),
        by: Actor(name: "test"))
    }
    #expect(try submit("newer").status == 201)
  }

  @Test func `data into which a job will yet write gets no name`() throws {
    let bench = try Self.bench()
    let paths = "azureml://datastores/workspaceblobstore/paths/"
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    try Self.write("age\n1\n", to: "out/earlier/a.csv", in: bench)
    let job = try bench.send(
      "POST", "\(Self.endpoint)/jobs",
      Self.body(
        paths + "in",
        [
          (
            "OutputData",
            ["s": ["JobOutputType": "UriFolder", "Uri": .string(paths + "out/deep/res")]]
          )
        ]))
    #expect(job.status == 201, "\(job.body)")
    let refused = try Self.putAsset("1", paths + "out", in: bench)
    #expect(refused.status == 409 && refused.text.contains("job 'job-1'"), "\(refused.text)")
    #expect(try Self.putAsset("1", paths + "out/earlier", in: bench).status == 201)
    bench.jobs.change("job-1") { $0.status = .completed }
    #expect(try Self.putAsset("2", paths + "out", in: bench).status == 201)
  }

  // MARK: Away

  @Test func `jobs that cannot be had now are 503 and to be asked for again`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    let body = Self.body("azureml://datastores/workspaceblobstore/paths/in")
    let jobs = "\(AdminBench.workspace)/jobs"
    #expect(try bench.send("POST", "\(Self.endpoint)/jobs", body).status == 201)
    let calls: [(method: String, path: String, body: DocumentValue?)] = [
      ("GET", jobs, nil), ("GET", "\(jobs)/job-1", nil), ("GET", "\(Self.endpoint)/jobs", nil),
      ("GET", "\(Self.endpoint)/jobs/job-1", nil), ("GET", "\(jobs)/job-1/outputs/score", nil),
      ("POST", "\(Self.endpoint)/jobs", body), ("POST", "\(jobs)/job-1/cancel", nil),
    ]
    for failure in [BatchError.busy("closed"), .unavailable("it starts")] {
      bench.jobs.fail(failure)
      for call in calls {
        let answer = try bench.send(call.method, call.path, call.body)
        #expect(answer.status == 503, "\(call.path): \(answer.body)")
        #expect(answer.response.header("Retry-After") == "1")
        #expect(answer.body.value(at: "error.code") == "ServiceUnavailable")
      }
    }
    // What cannot be read will not be readable in a moment.
    for failure in [BatchError.unreadable("of a later version"), .store("malformed")] {
      bench.jobs.fail(failure)
      let answer = try bench.send("GET", "\(jobs)/job-1")
      #expect(answer.status == 500 && answer.response.header("Retry-After") == nil)
    }
    bench.jobs.fail(nil)
    try bench.control.pause()
    for call in calls where call.method == "POST" {
      let answer = try bench.send(call.method, call.path, call.body)
      #expect(answer.status == 503, "\(call.path): \(answer.body)")
      #expect(answer.response.header("Retry-After") == "1")
    }
    bench.control.resume()
    #expect(try bench.send("GET", "\(jobs)/job-1").status == 200)
  }

  @Test func `a cancel that could not be stored is said`() throws {
    let bench = try Self.bench()
    try Self.write("age\n1\n", to: "in/a.csv", in: bench)
    let body = Self.body("azureml://datastores/workspaceblobstore/paths/in")
    #expect(try bench.send("POST", "\(Self.endpoint)/jobs", body).status == 201)
    bench.jobs.failCancels(.cancelNotStored(job: "job-1", reason: "no space: swerve.db"))
    let answer = try bench.send("POST", "\(AdminBench.workspace)/jobs/job-1/cancel")
    #expect(answer.status == 503 && answer.response.header("Retry-After") == "1")
    let text = String(decoding: answer.response.body, as: UTF8.self)
    #expect(text.contains("'job-1' stops, but that could not be stored (no space: swerve.db)"))
  }
}

extension DocumentValue {
  fileprivate var elements: [DocumentValue] {
    if case .array(let elements) = self { return elements }
    return []
  }

  /// With a member of `properties` set.
  fileprivate func with(_ name: String, _ value: DocumentValue) -> DocumentValue {
    guard case .object(var object) = self, case .object(var properties)? = object["properties"]
    else { return self }
    properties[name] = value
    object["properties"] = .object(properties)
    return .object(object)
  }
}
