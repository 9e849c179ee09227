import Foundation
import HTTP
import Synchronization

/// Requests from several threads at once, each of which must get exactly one whole answer.
final class LoadGenerator: @unchecked Sendable {
  struct Tally: Sendable {
    var sent = 0
    var answers: [Int: Int] = [:]
    var deployments: [String: Int] = [:]
    /// Anything that is no well-formed answer: a reset, a time-out, a cut body.
    var failures: [String] = []
    var bodies: [[UInt8]: Int] = [:]

    mutating func add(_ other: Tally) {
      sent += other.sent
      answers.merge(other.answers, uniquingKeysWith: +)
      deployments.merge(other.deployments, uniquingKeysWith: +)
      bodies.merge(other.bodies, uniquingKeysWith: +)
      failures += other.failures
    }

    var notOK: Int { answers.filter { $0.key != 200 }.map(\.value).reduce(0, +) + failures.count }
  }

  private let port: UInt16
  private let path: String
  private let headers: [(name: String, value: String)]
  private let body: [UInt8]
  private let isStopped = Atomic<Bool>(false)
  private let sent = Atomic<Int>(0)
  private let group = DispatchGroup()
  private let total = Mutex(Tally())

  init(
    port: UInt16, path: String, key: String, body: [UInt8],
    headers: [(name: String, value: String)] = []
  ) {
    self.port = port
    self.path = path
    self.body = body
    self.headers =
      [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")] + headers
  }

  /// Starts `clients` threads; every second one opens a connection for each request.
  func start(clients: Int, maxRequestsEach: Int = .max, reconnecting: Bool = true) {
    for index in 0..<clients {
      group.enter()
      let thread = Thread { [self] in
        var tally = Tally()
        var client = HTTPClient(.tcp(host: "127.0.0.1", port: port), timeout: .seconds(30))
        while !isStopped.load(ordering: .relaxed) && tally.sent < maxRequestsEach {
          if reconnecting && index % 2 == 1 {
            client = HTTPClient(.tcp(host: "127.0.0.1", port: port), timeout: .seconds(30))
          }
          tally.sent += 1
          sent.add(1, ordering: .relaxed)
          do {
            let response = try client.send(
              method: "POST", path: path, headers: headers, body: body)
            tally.answers[response.status, default: 0] += 1
            tally.bodies[response.body, default: 0] += 1
            if let name = response.header("azureml-model-deployment") {
              tally.deployments[name, default: 0] += 1
            }
          } catch {
            tally.failures.append("\(error)")
          }
        }
        let result = tally
        total.withLock { $0.add(result) }
        group.leave()
      }
      thread.stackSize = 1 << 20
      thread.start()
    }
  }

  var sentSoFar: Int { sent.load(ordering: .relaxed) }

  /// Ends the threads after their present request and tells what they saw.
  func stop() -> Tally {
    isStopped.store(true, ordering: .relaxed)
    return finish()
  }

  /// Waits until every thread has sent its requests.
  func finish() -> Tally {
    group.wait()
    return total.withLock { $0 }
  }
}
