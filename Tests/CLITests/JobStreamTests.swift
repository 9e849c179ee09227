import Documents
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
}
