import ArgumentParser
import Documents
import Glibc
import HTTP
import Store

struct JobCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "job",
    abstract: "Batch jobs: runs of a deployment over files.",
    subcommands: [Show.self, List.self, Stream.self, Cancel.self, Download.self])

  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show a job and how far it is.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String

    func run() throws {
      let answer = try client.client().send("GET", jobPath(name))
      try output.print(ResourceViews.job(answer.body))
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "List the jobs, newest first.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong, help: "How many.") var maxResults = 50

    func run() throws {
      let jobs = try client.client().list("jobs?$top=\(maxResults)")
      try output.print(.array(jobs.map { ResourceViews.job($0) }))
    }
  }

  struct Stream: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a job's progress until it ends; exit status 0 when it is Completed.")
    @OptionGroup var client: ClientOptions
    @Option(name: .shortAndLong) var name: String

    func run() throws {
      let control = try client.client()
      try JobStream.check(try JobStream(control).follow(name))
    }
  }

  struct Cancel: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Cancel a job; one that has ended stays as it is.")
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String

    func run() throws {
      let control = try client.client()
      _ = try control.send("POST", jobPath(name) + "/cancel")
      try output.print(ResourceViews.job(try control.send("GET", jobPath(name)).body))
    }
  }

  struct Download: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Copy what a job has written into DIR/named-outputs/NAME.",
      discussion: """
        A job that is Completed has the output 'score'. Of one that is Failed, 'logs' is the list of \
        the rows that failed.
        """)
    @OptionGroup var client: ClientOptions
    @OptionGroup var output: OutputOptions
    @Option(name: .shortAndLong) var name: String
    @Option(help: "score, or logs.") var outputName = "score"
    @Option(name: [.customShort("p"), .long], help: "Default: here.") var downloadPath = "."

    func run() throws {
      guard ["score", "logs"].contains(outputName) else {
        throw ValidationError(
          "--output-name is '\(outputName)'; expected 'score', or 'logs' of a job that is Failed")
      }
      let control = try client.client()
      let files = ResourceViews.elements(
        try control.send("GET", jobPath(name) + "/outputs/\(outputName)").body)
      let all = LocalFile.absolute(downloadPath) + "/named-outputs"
      let folder = all + "/\(outputName)"
      if LocalFile.exists(folder) { throw CommandFailure("\(folder) exists already") }
      // It appears whole: what breaks off leaves nothing that a repeat would meet.
      let aside = all + "/.\(outputName)-\(name.percentEncoded).part"
      try? FolderTree.remove(aside)
      do {
        try LocalFile.makeFolder(aside)
        try download(files, into: aside, from: control)
      } catch {
        try? FolderTree.remove(aside)
        throw error
      }
      guard rename(aside, folder) == 0 else {
        throw CommandFailure("\(folder) cannot be made: \(String(cString: strerror(errno)))")
      }
      try output.print(["downloaded": .string(folder), "files": .integer(Int64(files.count))])
    }

    private func download(
      _ files: [DocumentValue], into folder: String, from control: ControlClient
    ) throws {
      var hashes: [String: String] = [:]
      for file in files {
        guard let path = ResourceViews.text(file, "path"),
          case .integer(let byteCount) = ResourceViews.member(file, "bytes")
        else { continue }
        hashes[path] = try download(path, byteCount: byteCount, into: folder, from: control)
      }
      let manifest = "_SUCCESS.json"
      guard hashes[manifest] != nil else { return }
      let value = try JSONReader.read(
        try LocalFile.readText(folder + "/" + manifest), source: manifest)
      try DownloadedFile.check(hashes, against: value, of: "job '\(name)'")
    }

    /// - Returns: The file's SHA-256.
    private func download(
      _ path: String, byteCount: Int64, into folder: String, from control: ControlClient
    ) throws(CommandFailure) -> String {
      // By bytes: a slash with a combining mark behind it is a slash to the file system.
      let parts = path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
      guard !parts.isEmpty, !parts.contains("..") else {
        throw CommandFailure("'\(path)' is no path inside an output")
      }
      let route = parts.map(\.percentEncoded).joined(separator: "/")
      let target = try DownloadedFile(parts, below: folder)
      var failure: CommandFailure?
      do throws(CommandFailure) {
        let response = try control.sendRaw(
          "GET", jobPath(name) + "/outputs/\(outputName)/files/" + route, receive: target.append)
        if response.status != 200 {
          failure = CommandFailure("file '\(path)': \(ControlClient.sentence(of: response))")
        }
      } catch {
        failure = error
      }
      return try target.finish(expectedByteCount: byteCount, failure)
    }
  }
}

private func jobPath(_ name: String) -> String { "jobs/\(name.percentEncoded)" }
