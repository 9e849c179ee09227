import Documents
import Foundation
import HTTP
import Synchronization
import Testing

@testable import CLI

@Suite struct JobStreamTests {
  private static func sample(
    _ status: String, rows: Int64, failed: Int64 = 0, bytes: Int64, of total: Int64
  ) -> JobSample {
    JobSample([
      "properties": [
        "status": .string(status),
        "swerve": [
          "progress": [
            "scoredRows": .integer(rows), "failedRows": .integer(failed),
            "readBytes": .integer(bytes), "totalBytes": .integer(total),
          ]
        ],
      ]
    ])
  }

  @Test func `a line tells rows, their pace, failed rows and the time left`() {
    var pace = JobPace()
    pace.add(Self.sample("Running", rows: 0, bytes: 0, of: 1000), at: 1_000_000_000)
    let half = Self.sample("Running", rows: 1_199_997, failed: 3, bytes: 500, of: 1000)
    pace.add(half, at: 6_000_000_000)
    #expect(
      JobLine.text(half, pace, width: 12)
        == "Running  [######------]  50 %  1,199,997 rows  240,000 rows/s  3 failed  5 s left")
    #expect(
      JobLine.text(half, pace, width: 0)
        == "Running  50 %  1,199,997 rows  240,000 rows/s  3 failed  5 s left")
  }

  @Test func `before anything is known, and at the end, nothing is made up`() {
    var pace = JobPace()
    let queued = Self.sample("Queued", rows: 0, bytes: 0, of: 0)
    pace.add(queued, at: 5)
    #expect(JobLine.text(queued, pace, width: 12) == "Queued  0 rows  0 failed")
    let done = Self.sample("Completed", rows: 10, bytes: 1000, of: 1000)
    pace.add(done, at: 2_000_000_000)
    #expect(
      JobLine.text(done, pace, width: 4) == "Completed  [####]  100 %  10 rows  0 failed")
  }

  @Test func `the pace is that of the last seconds`() {
    var pace = JobPace()
    for second in 0...60 {
      let rows = second <= 30 ? 0 : Int64(second - 30) * 100
      pace.add(
        Self.sample("Running", rows: rows, bytes: rows, of: 10_000),
        at: UInt64(second) * 1_000_000_000)
    }
    #expect(pace.rowsPerSecond == 100)
  }

  @Test func `only a completed job is a success`() throws {
    try JobStream.check(["properties": ["status": "Completed"]])
    let error = try #require(throws: CommandFailure.self) {
      try JobStream.check([
        "name": "j1",
        "properties": ["status": "Failed", "swerve": ["reason": "3 rows failed, 2 may"]],
      ])
    }
    #expect(error.message == "job j1 is Failed: 3 rows failed, 2 may")
  }

  // MARK: Following

  private static func job(_ status: String) -> DocumentValue {
    ["name": "j1", "properties": ["status": .string(status)]]
  }

  private static func unanswered() -> CommandFailure {
    var failure = CommandFailure("no gateway answers")
    failure.isUnanswered = true
    return failure
  }

  /// Follows through what each look brings; a second passes with each, or as many as are said.
  private static func follow(
    _ looks: [JobStream.Look], isKnown: Bool = false, seconds: UInt64 = 1, terminal: Int? = nil
  ) throws -> (job: DocumentValue, lines: [String]) {
    let seen = Mutex((looks: looks[...], time: UInt64(0), lines: [String]()))
    let stream = JobStream(
      isTerminal: terminal != nil, columns: { terminal ?? 80 },
      clock: { seen.withLock { $0.time } },
      write: { line in seen.withLock { $0.lines.append(line) } },
      look: { (_) throws(CommandFailure) in
        let look = seen.withLock { seen in
          seen.time += seconds * 1_000_000_000
          return seen.looks.popFirst()
        }
        guard let look else { throw CommandFailure("nothing is left to look at") }
        return look
      })
    let job = try stream.follow("j1", isKnown: isKnown)
    return (job, seen.withLock { $0.lines })
  }

  /// Of a line that wraps, a carriage return takes back its end alone, and each look leaves a line.
  @Test(arguments: [200, 100, 80, 60, 20, 1])
  func `on a terminal a line is as long as there is room, and the last one whole`(
    _ columns: Int
  ) throws {
    let reason = "no space: " + String(repeating: "x", count: 200)
    func job(_ status: String, _ reason: String? = nil) -> DocumentValue {
      [
        "name": "j1",
        "properties": [
          "status": .string(status),
          "swerve": [
            "reason": reason.map { .string($0) } ?? .null,
            "progress": [
              "scoredRows": 1_199_997, "failedRows": 3, "readBytes": 500, "totalBytes": 1000,
            ],
          ],
        ],
      ]
    }
    let (_, lines) = try Self.follow(
      [
        .job(job("Running")), .job(job("Paused", reason)), .later(reason),
        .job(job("Failed", reason)),
      ], terminal: columns)
    #expect(lines.last == "\n")
    let shown = lines.dropLast().map { $0.dropFirst().dropLast(3) }
    for line in shown.dropLast() { #expect(line.count <= max(columns - 1, 1), "\(line)") }
    #expect(shown.last?.hasSuffix(reason) == true)
    #expect(shown.first?.contains("#") == (columns >= 60), "\(shown.first ?? "")")
    let whole = "Running  50 %  1,199,997 rows  3 failed"
    if columns < 60 { #expect(shown.first == whole.prefix(max(columns - 1, 1))) }
  }

  @Test func `a job is followed over a restart and a full disk`() throws {
    let (job, lines) = try Self.follow([
      .job(Self.job("Running")), .later("it hands over"), .unanswered(Self.unanswered()),
      .job(Self.job("Paused")), .job(Self.job("Running")), .job(Self.job("Completed")),
    ])
    #expect(job == Self.job("Completed"))
    #expect(
      lines.map { String($0.dropFirst(4).prefix(9)) } == [
        "Running  ", "waiting f", "Paused  0", "Running  ", "Completed",
      ])
    #expect(lines[1] == "j1: waiting for the gateway: it hands over\n")
  }

  @Test func `a gateway that was never there, or does not come back, is said`() throws {
    let never = #expect(throws: CommandFailure.self) {
      try Self.follow([.unanswered(Self.unanswered()), .job(Self.job("Completed"))])
    }
    #expect(never?.message == "no gateway answers")
    // Who has made the job knows that it was there.
    _ = try Self.follow(
      [.unanswered(Self.unanswered()), .job(Self.job("Completed"))], isKnown: true)
    let gone = #expect(throws: CommandFailure.self) {
      try Self.follow(
        [.job(Self.job("Running")), .later("soon"), .later("soon"), .later("never")],
        seconds: 120)
    }
    #expect(gone?.message == "never")
  }

  @Test func `what a gateway answers says whether to look again`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    let handler = ScriptedGateway([
      (200, Self.job("Running")), (503, ["error": ["code": "x", "message": "hands over"]]),
      (502, .null), (200, Self.job("Failed")), (404, ["error": ["code": "x", "message": "gone"]]),
    ])
    let server = try HTTPServer(
      HTTPServerConfiguration(address: .unix(path: folder.path + "/swerve.sock")),
      handler: handler)
    let stream = JobStream(ControlClient(workspace: folder.path))
    #expect(try stream.follow("j1") == Self.job("Failed"))
    let error = #expect(throws: CommandFailure.self) { try stream.follow("j1") }
    #expect(error?.message == "gone")
    server.stop(deadline: 0)
    let absent = #expect(throws: CommandFailure.self) { try stream.follow("j1") }
    #expect(absent?.isUnanswered == true)
  }
}

/// Answers one after the other.
private final class ScriptedGateway: HTTPHandler {
  private let answers: Mutex<ArraySlice<(status: Int, body: DocumentValue)>>

  init(_ answers: [(status: Int, body: DocumentValue)]) { self.answers = Mutex(answers[...]) }

  func admit(_ exchange: HTTPExchange) -> HTTPAdmission { .collect(maxBodyBytes: 1000) }

  func handle(_ exchange: HTTPExchange) {
    let answer = answers.withLock { $0.popFirst() } ?? (500, .null)
    var writer = JSONWriter()
    writer.document(answer.body)
    exchange.respond(
      HTTPResponse(
        status: answer.status, headers: [("Content-Type", "application/json")],
        body: .bytes(writer.bytes)))
  }

  func refusal(
    status: Int, reason: String, of exchange: HTTPExchange?, form: UInt8
  ) -> HTTPResponse { HTTPResponse(status: status) }

  func ended(_ exchange: HTTPExchange, _ outcome: HTTPOutcome) {}
}
