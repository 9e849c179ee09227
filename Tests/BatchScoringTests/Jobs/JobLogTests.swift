import Glibc
import Serving
import Telemetry
import TestFolders
import Testing

@testable import BatchScoring

/// `logging_level`: what of a job is in the log.
@Suite struct JobLogTests {
  /// The messages of a job of two files, with what they say of `file` or `scored`.
  private static func lines(
    of logging: String, log level: Log.Level, fails: Bool = false
  ) throws -> [String] {
    let folder = TemporaryFolder(for: "job-log")
    let file = open(folder.path + "/log", O_RDWR | O_CREAT, 0o600)
    let log = Log(descriptor: file, level: level)
    let workshop = try JobWorkshop(log: log)
    try workshop.write("a.csv", "a,b\n1,1\n")
    try workshop.write("b.csv", "a,b\n1,x\n60,1\n")
    let job = try workshop.run(
      workshop.order {
        $0.loggingLevel = logging
        $0.errorThreshold = fails ? 0 : -1
      })
    #expect(job.status == (fails ? .failed : .completed))
    log.flush()
    var text = [UInt8](repeating: 0, count: 1 << 16)
    let count = pread(file, &text, text.count, 0)
    close(file)
    return String(decoding: text.prefix(max(count, 0)), as: UTF8.self).split(separator: "\n")
      .map { line in
        line.firstRange(of: "\"message\":\"").map { String(line[$0.upperBound...]) }
          ?? String(line)
      }
  }

  @Test func `debug has a line for each file and each commit, whatever the log's level is`() throws
  {
    let lines = try Self.lines(of: "debug", log: .error)
    let read = lines.filter { $0.hasPrefix("batch job has read a file") }
    #expect(
      read.map { String($0.drop { $0 != "," }) } == [
        #","job":"job","endpoint":"ep","deployment":"blue","file":"a.csv","rows":1,"failed":0,"#
          + #""reason":""}"#,
        #","job":"job","endpoint":"ep","deployment":"blue","file":"b.csv","rows":2,"failed":1,"#
          + #""reason":""}"#,
      ])
    let commit = try #require(
      lines.last { $0.hasPrefix("batch job has committed mini-batches") })
    #expect(commit.contains(#""files":2,"scored":2,"failed":1"#), "\(commit)")
    #expect(lines.contains { $0.hasPrefix("batch job ended") })
  }

  @Test func `info has a line for each change of the job's state`() throws {
    let lines = try Self.lines(of: "info", log: .info).map { String($0.prefix { $0 != "\"" }) }
    #expect(
      lines == ["batch job taken", "batch job has listed its input", "batch job ended"])
    #expect(try Self.lines(of: "info", log: .warning) == [])
  }

  @Test func `warning has only what goes wrong`() throws {
    #expect(try Self.lines(of: "warning", log: .info) == [])
    let failed = try Self.lines(of: "warning", log: .info, fails: true)
    #expect(failed.count == 1 && failed[0].hasPrefix("batch job ended"), "\(failed)")
  }
}
