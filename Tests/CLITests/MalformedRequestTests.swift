import Dispatch
import Foundation
import Synchronization
import TestTimes
import Testing

/// The project's own corpus of malformed requests, against a gateway as it is shipped.
@Suite(.serialized) struct MalformedRequestTests {
  /// Why a case did not end as it must; nil when it did.
  private static func fault(
    in entry: MalformedCase, _ corpus: MalformedCorpus, port: UInt16, afterGood: Bool, patience: Int
  ) throws -> String? {
    let pieces = try corpus.pieces(of: entry)
    let good = Array("GET /livez HTTP/1.1\r\nHost: swerve\r\n\r\n".utf8)
    func ask(_ connection: CorpusConnection) -> [Int] {
      connection.forget()
      connection.send(good)
      connection.read(answers: 1, milliseconds: 5000)
      return connection.statuses
    }
    guard let connection = CorpusConnection(port: port) else { return "no connection" }
    if afterGood, ask(connection) != [200] { return "the good request before it is not answered" }
    connection.forget()
    for (index, piece) in pieces.enumerated() {
      if index > 0 { pause(milliseconds: 20) }
      connection.send(piece)
    }
    if entry.half == true { connection.endSending() }
    // A half-closed connection is noticed by a thread that looks now and then.
    let limit = entry.half == true ? max(patience, 4000) : patience
    connection.read(answers: max(entry.leastAnswers, 1), milliseconds: limit)
    if entry.answers.first == "100?", connection.statuses.last == 100 {
      connection.read(answers: connection.statuses.count + 1, milliseconds: limit)
    }
    if entry.then == .closed, !connection.isClosed {
      connection.read(answers: nil, milliseconds: limit)
    }
    let statuses = connection.statuses
    if !entry.expects(statuses) {
      return "answered \(statuses), not \(entry.answers): \(connection.text)"
    }
    if entry.then == .closed, !connection.isClosed { return "the connection stays open" }
    if entry.then == .open {
      if connection.isClosed { return "the connection is closed" }
      let next = ask(connection)
      if next != [200] { return "a good request behind it is answered \(next): \(connection.text)" }
    }
    guard let other = CorpusConnection(port: port), ask(other) == [200] else {
      return "the gateway does not answer a good request after it"
    }
    return nil
  }

  @Test func `O14 · each malformed request is answered once and as listed`() throws {
    let identity = ClientSuiteTests.folder.appendingPathComponent("identity.onnx").path
    let gateway = try GatewayProcess(arguments: [
      "--apply", GatewayProcess.models.path, "--model", "identity=\(identity)",
    ])
    let sample = try String(
      contentsOf: GatewayProcess.models.appendingPathComponent("iris/1/sample-request.json"),
      encoding: .utf8
    ).trimmingCharacters(in: .whitespacesAndNewlines)
    let keys = ["iris": try gateway.key(of: "iris"), "identity": try gateway.key(of: "identity")]
    let corpus = try MalformedCorpus(keys: keys, sample: sample)
    #expect(corpus.cases.count >= 140)
    #expect(Set(corpus.cases.map(\.name)).count == corpus.cases.count)
    for gap in corpus.knownGaps.keys where !corpus.cases.contains(where: { $0.name == gap }) {
      Issue.record("known-gaps.json names '\(gap)', and there is no such case")
    }

    let faults = Mutex<[String: String]>([:])
    let port = gateway.port
    let started = ContinuousClock.now
    DispatchQueue.concurrentPerform(iterations: 6) { lane in
      for index in stride(from: lane, to: corpus.cases.count, by: 6) {
        let entry = corpus.cases[index]
        let patience = corpus.knownGaps[entry.name] == nil ? 5000 : 700
        for afterGood in [false, true] {
          let fault: String?
          do {
            fault = try Self.fault(
              in: entry, corpus, port: port, afterGood: afterGood, patience: patience)
          } catch {
            fault = "\(error)"
          }
          guard let fault else { continue }
          let place = afterGood ? "after a good request" : "on a fresh connection"
          faults.withLock { $0[entry.name] = "\(place): \(fault)" }
        }
      }
    }
    let found = faults.withLock { $0 }
    for entry in corpus.cases {
      switch (found[entry.name], corpus.knownGaps[entry.name]) {
      case (let fault?, nil): Issue.record("\(entry.name) \(fault)")
      case (nil, _?): Issue.record("\(entry.name) passes now: take it off known-gaps.json")
      case (_?, _?), (nil, nil): break
      }
    }
    let seconds = (ContinuousClock.now - started) / .milliseconds(1) / 1000
    print(
      "O14: \(corpus.cases.count) cases, each twice, \(corpus.knownGaps.count) known gaps of the "
        + "library, in \(seconds) s")
    #expect(gateway.terminate() == 0)
  }
}
