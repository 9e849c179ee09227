import Documents
import Foundation
import Synchronization
import TestTimes
import Testing

/// Batch endpoints by the command, over a gateway of their own: the sample of `models/`.
@Suite(.serialized) struct BatchCommandTests {
  private static let data = GatewayProcess.models.appendingPathComponent("data/diabetes").path

  /// `row,prediction,file_name` by line, as LightGBM itself says.
  private static func expected() throws -> [Substring] {
    let file = GatewayProcess.models.appendingPathComponent("data/expected/diabetes.csv")
    return try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
  }

  /// Whether lines of CSV are equal, numbers by their values.
  private static func isEqual(_ ours: [Substring], _ theirs: [Substring]) -> Bool {
    ours.count == theirs.count
      && zip(ours, theirs).allSatisfy { our, their in
        let (our, their) = (our.split(separator: ","), their.split(separator: ","))
        return our.count == their.count
          && zip(our, their).allSatisfy {
            $0 == $1 || Double($0) == Double($1) && Double($0) != nil
          }
      }
  }

  @Test func `the sample's predictions are LightGBM's own`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let output = gateway.workspace.appendingPathComponent("scores").path
    let invoked = try gateway.swerve(
      "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", Self.data, "--output", output,
      "--stream")
    #expect(invoked.status == 0, "\(invoked.error)")
    let job = try JSONReader.read(invoked.output, source: "job")
    guard case .object(let members) = job else {
      Issue.record("\(invoked.output)")
      return
    }
    #expect(members["status"] == "Completed")
    #expect(members["scored_rows"] == 442)
    #expect(members["failed_rows"] == 0)
    #expect(invoked.error.contains("Completed"))
    let written = try String(contentsOfFile: output + "/predictions.csv", encoding: .utf8)
    #expect(Self.isEqual(written.split(separator: "\n"), try Self.expected()))
    #expect(FileManager.default.fileExists(atPath: output + "/_SUCCESS.json"))
    // The same place again is refused before any work.
    let again = try gateway.swerve(
      "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", Self.data, "--output", output)
    #expect(again.status == 1)
    #expect(again.error.contains("exists already"))
    #expect(gateway.terminate() == 0)
  }

  @Test func `an asset is scored by name, downloaded, and the job outlives its endpoint`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let made = try gateway.swerve("data", "create", "-n", "patients", "--path", Self.data)
    #expect(made.status == 0, "\(made.error)")
    let invoked = try gateway.swerve(
      "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", "azureml:patients@latest",
      "--set", "output_file_name=p.jsonl", "--job-name", "nightly", "-o", "tsv", "--query", "name")
    #expect(invoked.output == "nightly\n", "\(invoked.error)")
    let streamed = try gateway.swerve("job", "stream", "-n", "nightly")
    #expect(streamed.status == 0, "\(streamed.error)")
    #expect(
      try gateway.swerve("batch-endpoint", "delete", "-n", "diabetes-batch", "--yes").status == 0)
    let folder = gateway.workspace.appendingPathComponent("copy").path
    let downloaded = try gateway.swerve("job", "download", "-n", "nightly", "-p", folder)
    #expect(downloaded.status == 0, "\(downloaded.error)")
    let lines = try String(
      contentsOfFile: folder + "/named-outputs/score/p.jsonl", encoding: .utf8
    ).split(separator: "\n")
    #expect(lines.count == 442)
    #expect(lines.first?.contains("\"prediction\":") == true)
    try Self.expectDownloadOfWhole(gateway, folder)
    let listed = try gateway.swerve("job", "list", "--query", "[].name", "-o", "tsv")
    #expect(listed.output == "nightly\n")
    #expect(try gateway.swerve("job", "cancel", "-n", "nightly").status == 0)
    #expect(
      try gateway.swerve("job", "show", "-n", "nightly", "--query", "status", "-o", "tsv").output
        == "Completed\n")
  }

  /// A download that breaks off leaves nothing that the next one meets, and bytes that are others than
  /// the job has written are no download.
  private static func expectDownloadOfWhole(_ gateway: GatewayProcess, _ folder: String) throws {
    let output =
      gateway.workspace.path
      + "/datastores/workspaceblobstore/azureml/nightly/score/p.jsonl"
    let text = try String(contentsOfFile: output, encoding: .utf8)
    var changed = Array(text.utf8)
    changed[changed.count / 2] ^= 1
    try Data(changed).write(to: URL(fileURLWithPath: output))
    let places = folder + "/again/named-outputs"
    let broken = try gateway.swerve("job", "download", "-n", "nightly", "-p", folder + "/again")
    #expect(broken.status == 1 && broken.error.contains("file 'p.jsonl' has SHA-256"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: places) == [])
    // As one that was killed leaves it.
    try FileManager.default.createDirectory(
      atPath: places + "/.score-nightly.part/deep", withIntermediateDirectories: true)
    try text.write(toFile: output, atomically: true, encoding: .utf8)
    let whole = try gateway.swerve("job", "download", "-n", "nightly", "-p", folder + "/again")
    #expect(whole.status == 0, "\(whole.error)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: places) == ["score"])
    let repeated = try gateway.swerve("job", "download", "-n", "nightly", "-p", folder + "/again")
    #expect(repeated.status == 1 && repeated.error.contains("exists already"))
  }

  @Test func `a job that fails says so by its exit status`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let folder = gateway.workspace.appendingPathComponent("bad")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let rows = try String(contentsOfFile: Self.data + "/rows-1.csv", encoding: .utf8)
    let header = rows.split(separator: "\n")[0]
    let bad = Array(repeating: "x", count: header.split(separator: ",").count)
    try (rows + bad.joined(separator: ",") + "\n").write(
      to: folder.appendingPathComponent("rows.csv"), atomically: true, encoding: .utf8)
    let failed = try gateway.swerve(
      "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", folder.path, "--set",
      "error_threshold=0", "--stream")
    #expect(failed.status == 1)
    #expect(failed.error.contains("is Failed"), "\(failed.error)")
    #expect(failed.error.contains("swerve job download -n "), "\(failed.error)")
    let name = try gateway.swerve("job", "list", "--query", "[0].name", "-o", "tsv").output
      .trimmingCharacters(in: .newlines)
    let shown = try gateway.swerve("job", "show", "-n", name)
    #expect(shown.output.contains("/.swerve/failed-rows/\(name)/errors.jsonl"), "\(shown.output)")
    let copies = gateway.workspace.appendingPathComponent("copies").path
    let score = try gateway.swerve("job", "download", "-n", name, "-p", copies)
    #expect(score.status == 1 && score.error.contains("is Failed"), "\(score.error)")
    let logs = try gateway.swerve(
      "job", "download", "-n", name, "--output-name", "logs", "-p", copies)
    #expect(logs.status == 0, "\(logs.error)")
    let list = try String(
      contentsOfFile: copies + "/named-outputs/logs/errors.jsonl", encoding: .utf8)
    #expect(list.hasPrefix(#"{"file":"rows.csv","row":"#) && list.contains(#""value":"x""#))
    let tolerated = try gateway.swerve(
      "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", folder.path, "--stream",
      "--query", "failed_rows", "-o", "tsv")
    #expect(tolerated.status == 0, "\(tolerated.error)")
    #expect(tolerated.output == "1\n")
    // A command that is written wrongly does nothing.
    let count = {
      try gateway.swerve("job", "list", "-o", "tsv").output.split(separator: "\n").count
    }
    let before = try count()
    let wrong = try CommandResult.run([
      "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", folder.path, "--query",
      "[status,name]", "--workspace", gateway.workspace.path,
    ])
    #expect(wrong.status == 2 && wrong.error.contains("--query: '[status,name]'"), "\(wrong.error)")
    #expect(try count() == before)
    for (arguments, words) in [
      (["--input", "azureml:nobody:1"], "data asset 'nobody' does not exist"),
      (["--input", "/no/such/folder"], "cannot be read"),
      (["--input", folder.path, "--set", "mini_batch_sise=1"], "did you mean 'mini_batch_size'"),
      (["--input", folder.path, "-d", "green"], "names deployment 'green'"),
      (["--input", "s3://b/c"], "is on 's3'"),
    ] {
      let refused = try CommandResult.run(
        ["batch-endpoint", "invoke", "-n", "diabetes-batch"] + arguments
          + ["--workspace", gateway.workspace.path])
      #expect(refused.status == 1)
      #expect(refused.error.contains(words), "\(refused.error)")
    }
  }

  @Test func `endpoints and deployments are made, changed and removed by the verbs of az`() throws {
    let gateway = try GatewayProcess()
    let models = GatewayProcess.models
    func file(_ path: String) -> String { models.appendingPathComponent(path).path }
    func run(_ arguments: String...) throws -> CommandResult {
      let result = try CommandResult.run(arguments + ["--workspace", gateway.workspace.path])
      #expect(result.status == 0, "\(arguments): \(result.error)")
      return result
    }
    _ = try run("model", "create", "-f", file("diabetes/1/model.yml"))
    _ = try run(
      "batch-endpoint", "create", "-f", file("endpoints/diabetes-batch.yml"), "--set", "defaults=")
    _ = try run(
      "batch-deployment", "create", "-f", file("endpoints/diabetes-batch-lightgbm.yml"),
      "--set-default")
    let shown = try run(
      "batch-endpoint", "show", "-n", "diabetes-batch", "--query", "defaults.deployment_name",
      "-o", "tsv")
    #expect(shown.output == "lightgbm\n")
    let updated = try run(
      "batch-deployment", "update", "-n", "lightgbm", "-e", "diabetes-batch", "--set",
      "settings.mini_batch_size=3", "--set", "swerve.mini_batch_rows=100", "--query", "swerve")
    #expect(updated.output.contains("100"))
    #expect(
      try run(
        "batch-deployment", "list", "-e", "diabetes-batch", "--query",
        "[].settings.mini_batch_size", "-o", "tsv"
      ).output == "3\n")
    #expect(
      try run("batch-endpoint", "list", "--query", "[].name", "-o", "tsv").output
        == "diabetes-batch\n")
    let keys = try run("batch-endpoint", "get-credentials", "-n", "diabetes-batch")
    #expect(keys.output.contains("primaryKey"))
    let plan = try run("plan", "-f", file("endpoints/diabetes-batch.yml"))
    #expect(plan.output.contains("batch endpoint diabetes-batch"))
    _ = try run("batch-deployment", "delete", "-n", "lightgbm", "-e", "diabetes-batch", "-y")
    _ = try run("batch-endpoint", "delete", "-n", "diabetes-batch", "-y")
    gateway.terminate()
    try gateway.start(arguments: [])
    #expect(try run("batch-endpoint", "list", "-o", "tsv").output.isEmpty)
  }

  @Test func `a job goes on behind a kill and a restart, and writes the same bytes`() throws {
    let arguments = ["--apply", GatewayProcess.models.path]
    let gateway = try GatewayProcess(arguments: arguments)
    let folder = gateway.workspace.appendingPathComponent("many")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let fileCount = 60
    for number in 0..<fileCount {
      try FileManager.default.copyItem(
        atPath: Self.data + "/rows-1.csv",
        toPath: folder.appendingPathComponent("rows-\(number).csv").path)
    }
    func invoke(_ name: String, _ more: String...) throws -> CommandResult {
      try CommandResult.run(
        [
          "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", folder.path, "--job-name",
          name, "--set", "swerve.mini_batch_rows=20", "--workspace", gateway.workspace.path,
        ] + more)
    }
    func output(_ name: String) throws -> Data {
      try Data(
        contentsOf: gateway.workspace.appendingPathComponent(
          "datastores/workspaceblobstore/azureml/\(name)/score/predictions.csv"))
    }
    #expect(try invoke("undisturbed", "--stream").status == 0)
    #expect(try invoke("disturbed").status == 0)
    func scoredRows() throws -> Int {
      let shown = try gateway.swerve(
        "job", "show", "-n", "disturbed", "--query", "scored_rows", "-o", "tsv")
      return Int(shown.output.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }
    for _ in 0..<200 {
      if try scoredRows() > 0 { break }
      usleep(5000)
    }
    gateway.killNow()
    try gateway.start(arguments: arguments)
    let rows = try scoredRows()
    #expect(rows < fileCount * 148, "the job was not over: \(rows)")
    // Who follows the job does so over the restart.
    let followed = Mutex<CommandResult?>(nil)
    let group = DispatchGroup()
    let workspace = gateway.workspace.path
    DispatchQueue.global().async(group: group) {
      let result = try? CommandResult.run(
        ["job", "stream", "-n", "disturbed", "--workspace", workspace])
      followed.withLock { $0 = result }
    }
    pause(milliseconds: 50)
    let restarted = try gateway.restart([])
    #expect(restarted.status == 0, "\(restarted.error)")
    group.wait()
    let stream = followed.withLock { $0 }
    #expect(stream?.status == 0, "\(stream?.error ?? "")")
    let streamed = try gateway.swerve("job", "stream", "-n", "disturbed")
    #expect(streamed.status == 0, "\(streamed.error)")
    #expect(try output("disturbed") == output("undisturbed"))
    print("batch: killed at \(rows) of \(fileCount * 148) rows, restarted, and equal")
  }

  @Test func `from another machine data is uploaded, scored by address and downloaded`() throws {
    let gateway = try GatewayProcess(arguments: [
      "--apply", GatewayProcess.models.path, "--admin-listen", "127.0.0.1:0",
    ])
    guard case .object(let ready) = try JSONReader.read(gateway.readyLine, source: "ready"),
      case .string(let address)? = ready["admin_address"]
    else { throw GatewayProcess.StartFailure(description: gateway.readyLine) }
    let made = try gateway.swerve("admin-key", "create", "-n", "a", "--query", "key", "-o", "tsv")
    let key = made.output.trimmingCharacters(in: .whitespacesAndNewlines)
    func remote(_ arguments: String...) throws -> CommandResult {
      try CommandResult.run(
        arguments + ["--url", address], environment: ["SWERVE_ADMIN_KEY": key])
    }
    let data = try remote("data", "create", "-n", "patients", "--path", Self.data)
    #expect(data.status == 0, "\(data.error)")
    let invoked = try remote(
      "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", "azureml:patients:1",
      "--job-name", "far", "--stream", "--query", "scored_rows", "-o", "tsv")
    #expect(invoked.status == 0, "\(invoked.error)")
    #expect(invoked.output == "442\n")
    let folder = gateway.workspace.appendingPathComponent("copy").path
    #expect(try remote("job", "download", "-n", "far", "-p", folder).status == 0)
    let written = try String(
      contentsOfFile: folder + "/named-outputs/score/predictions.csv", encoding: .utf8)
    #expect(Self.isEqual(written.split(separator: "\n"), try Self.expected()))
    let local = try remote(
      "batch-endpoint", "invoke", "-n", "diabetes-batch", "--input", Self.data)
    #expect(local.status == 1)
    #expect(local.error.contains("which the gateway at --url cannot read"))
  }
}
