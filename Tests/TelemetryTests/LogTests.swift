import Foundation
import Logging
import Testing

@testable import Telemetry

@Suite struct LogTests {
  @Test func `a line is one object with its members in order`() throws {
    let output = PipeOutput()
    let log = Log(descriptor: output.writeEnd)
    log.write(
      .warning, "disk \"slow\"",
      [
        "path": .string("/a"), "rows": .integer(-12), "ms": .decimal(1.0625), "ok": .bool(true),
        "bad": .decimal(.nan),
      ])
    log.flush()
    let line = try #require(output.takeLines().first)
    let pattern = #/\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",(?<rest>.*)\}/#
    let match = try #require(try pattern.wholeMatch(in: line), "\(line)")
    #expect(
      match.rest
        == #""level":"warning","message":"disk \"slow\"","path":"/a","rows":-12,"ms":1.063,"#
        + #""ok":true,"bad":null"#)
  }

  @Test(arguments: [
    "plain", "", "quote \" and \\", "line\nfeed\r\tand \u{0}nul \u{1F}", "\u{7F}\u{85}\u{9B}[2J",
    "\u{2028}\u{2029}", "Grüße 你好 👩‍👩‍👧 \u{FFFD}", "\u{C2A0}\u{2027}\u{202A}",
    "}\n{\"level\":\"error\"}",
  ])
  func `a hostile string comes back whole from one line without control characters`(
    text: String
  ) throws {
    let output = PipeOutput()
    let log = Log(descriptor: output.writeEnd)
    log.write(.info, "m", ["text": .string(text)])
    log.flush()
    let bytes = output.takeBytes()
    #expect(bytes.count { $0 == UInt8(ascii: "\n") } == 1 && bytes.last == UInt8(ascii: "\n"))
    let line = try #require(String(validating: bytes.dropLast(), as: UTF8.self))
    #expect(line.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
    #expect(try members(line)["text"] as? String == text)
  }

  @Test func `a character to escape is found wherever it stands`() throws {
    for special in ["\"", "\\", "\u{0}", "\u{1F}", "\u{7F}", "\u{80}", "\u{2028}", "é"] {
      for before in 0..<20 {
        for after in [0, 1, 7, 8] {
          let text =
            String(repeating: "!", count: before) + special + String(repeating: "~", count: after)
          var made = LogLine()
          made.appendLogMember("t", text)
          let line = [UInt8(ascii: "{")] + made.bytes.dropFirst() + [UInt8(ascii: "}")]
          #expect(try members(String(decoding: line, as: UTF8.self))["t"] as? String == text)
          #expect(line.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
        }
      }
    }
  }

  @Test(arguments: [0, 7, -7, 10, -10, 99, 100, Int64.max, Int64.min])
  func `an integer has all its digits`(number: Int64) {
    var line = LogLine(capacity: 1)
    line.appendLogMember("x", .integer(number))
    let text = String(decoding: line.bytes, as: UTF8.self)
    #expect(text == #","x":"# + String(number))
  }

  @Test func `bytes that are not UTF-8 become U+FFFD`() throws {
    let output = PipeOutput()
    let log = Log(descriptor: output.writeEnd)
    log.write(.info, "m") { line in
      line.appendLogMember("agent", bytes: [0x61, 0xFF, 0xC0, 0xAF, 0x62] as [UInt8])
    }
    log.flush()
    let bytes = output.takeBytes()
    let line = try #require(String(validating: bytes.dropLast(), as: UTF8.self))
    let found = try members(line)
    #expect(found["agent"] as? String == "a\u{FFFD}\u{FFFD}\u{FFFD}b")
  }

  @Test(arguments: [
    (0, 0, "1970-01-01T00:00:00.000Z"), (951_782_399, 999_999_999, "2000-02-28T23:59:59.999Z"),
    (1_709_164_800, 7_000_000, "2024-02-29T00:00:00.007Z"),
  ])
  func `time is RFC 3339 in UTC`(second: Int, nanosecond: Int, expected: String) {
    var clock = LogClock()
    var bytes: [UInt8] = []
    clock.appendTimeMember(second: 1, nanosecond: 0, to: &bytes)
    bytes = []
    clock.appendTimeMember(second: second, nanosecond: nanosecond, to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == #"{"time":""# + expected + #"""#)
    #expect(bytes.count == LogClock.memberBytes)
  }

  @Test(arguments: [
    (0, "0.000"), (0.0004, "0.000"), (-0.0004, "0.000"), (-1.5, "-1.500"), (1234.5678, "1234.568"),
    (.infinity, "null"), (1e300, "1e+300"),
  ])
  func `a decimal has three digits`(number: Double, expected: String) {
    var line = LogLine(capacity: 1)
    line.appendLogMember("x", .decimal(number))
    let text = String(decoding: line.bytes, as: UTF8.self)
    #expect(text == #","x":"# + expected)
  }

  @Test func `lines below the level are not written`() {
    let output = PipeOutput()
    let log = Log(descriptor: output.writeEnd, level: .warning)
    log.write(.info, "quiet")
    log.write(.info, "quiet") { _ in Issue.record("asked for the members of a line left out") }
    log.write(.error, "loud")
    log.flush()
    #expect(output.takeLines().count == 1)
    #expect(Log.Level(name: "warning") == .warning)
    #expect(Log.Level(name: "WARN") == nil)
  }

  @Test func `lines of many threads do not mix and keep each thread's order`() async throws {
    let file = FileOutput()
    let log = Log(descriptor: file.descriptor)
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<4 {
        group.addTask {
          for step in 0..<1_000 {
            log.write(
              .info, "m", ["thread": .integer(Int64(thread)), "step": .integer(Int64(step))])
          }
        }
      }
    }
    log.flush()
    var next = [0, 0, 0, 0]
    var latest = ""
    for line in file.lines() {
      let found = try members(line)
      let thread = try #require(found["thread"] as? Int)
      #expect(found["step"] as? Int == next[thread])
      next[thread] += 1
      let time = try #require(found["time"] as? String)
      #expect(time >= latest)
      latest = time
    }
    #expect(next == [1_000, 1_000, 1_000, 1_000])
    #expect(log.droppedLines == 0)
  }

  @Test func `a full buffer drops lines and one line says how many`() throws {
    let output = PipeOutput(isNonBlocking: true)
    let log = Log(descriptor: output.writeEnd, maxBufferedBytes: 200_000)
    let filler = String(repeating: "x", count: 900)
    for step in 0..<1_000 {
      log.write(.info, "m", ["step": .integer(Int64(step)), "filler": .string(filler)])
    }
    let dropped = log.droppedLines
    #expect(dropped > 0)
    var lines = output.takeLines(until: { $0.contains("log lines dropped") })
    log.flush()
    lines += output.takeLines()
    let told = try lines.filter { $0.contains("log lines dropped") }.map {
      try #require(try members($0)["lines"] as? Int)
    }
    #expect(told.reduce(0, +) == Int(dropped))
    #expect(lines.count { $0.contains("filler") } == 1_000 - Int(dropped))
  }

  @Test func `a reader that went away loses lines and hurts nobody`() {
    let output = PipeOutput()
    let log = Log(descriptor: output.writeEnd)
    output.closeReadEnd()
    log.write(.info, "lost")
    log.flush()
    #expect(log.droppedLines == 1)
  }

  @Test func `swift-log writes here with its metadata in one object`() throws {
    let output = PipeOutput()
    let log = Log(descriptor: output.writeEnd)
    var logger = log.makeLogger(label: "db")
    logger[metadataKey: "level"] = "\"x\""
    logger.debug("not this")
    logger.notice("opened \u{1}", metadata: ["path": "/w"])
    log.flush()
    let lines = output.takeLines()
    #expect(lines.count == 1)
    let found = try members(try #require(lines.first))
    #expect(found["level"] as? String == "info")
    #expect(found["message"] as? String == "opened \u{1}")
    #expect(found["label"] as? String == "db")
    #expect(found["metadata"] as? [String: String] == ["level": "\"x\"", "path": "/w"])
  }

  private func members(_ line: String) throws -> [String: Any] {
    let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
    return try #require(object as? [String: Any])
  }
}
