import Dispatch
import Documents
import Foundation
import HTTP
import Synchronization
import TestTimes
import Testing

/// Promises of `RELIABILITY.md` §2 about what strangers send, in a short form, with their figures.
@Suite(.serialized) struct DataPlanePromiseTests {
  private func scoringHeaders(_ key: String) -> [(name: String, value: String)] {
    [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")]
  }

  /// A field of `/proc/PID/status`, in bytes.
  private func memory(_ field: String, of gateway: GatewayProcess) throws -> Int {
    let text = try String(
      contentsOfFile: "/proc/\(gateway.process.processIdentifier)/status", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(field + ":") })
    return try #require(Int(line.filter(\.isNumber))) * 1024
  }

  @Test func `O13 · slow attackers are cut at their deadlines and starve nobody`() throws {
    try StolenTime.judged("O13") { bounds in try slowAttackers(&bounds) }
  }

  private func slowAttackers(_ bounds: inout TimeBounds) throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    let body = try SampleModels.request("iris/1")
    func quantile99(seconds: Double) throws -> (p99: Double, failures: Int, count: Int) {
      let client = gateway.client()
      var times: [Double] = []
      var failures = 0
      let end = ContinuousClock.now + .seconds(seconds)
      while ContinuousClock.now < end {
        let start = ContinuousClock.now
        let response = try? client.send(
          method: "POST", path: "/endpoints/iris/score", headers: scoringHeaders(key), body: body)
        if response?.status != 200 { failures += 1 }
        times.append((ContinuousClock.now - start) / .milliseconds(1))
        usleep(3_000)
      }
      times.sort()
      return (times[times.count * 99 / 100], failures, times.count)
    }
    let calm = try quantile99(seconds: 2)
    let attackers = Campaign.count(300, full: 3000)
    let closedAfter = Mutex<[Double]>([])
    let group = DispatchGroup()
    for index in 0..<attackers {
      guard let connection = CorpusConnection(port: gateway.port) else { continue }
      let start = ContinuousClock.now
      connection.send(
        Array(
          (index % 2 == 0
            ? "POST /endpoints/iris/score HTTP/1.1\r\nHost: a\r\nX-Slow: "
            : "POST /endpoints/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(key)\r\n"
              + "Content-Length: 4000\r\n\r\n{").utf8))
      group.enter()
      let thread = Thread {
        // A byte now and then, which an idle timer takes for life.
        while !connection.isClosed, ContinuousClock.now - start < .seconds(14) {
          connection.read(answers: nil, milliseconds: 700)
          connection.send([0x61])
        }
        let seconds = (ContinuousClock.now - start) / .milliseconds(1) / 1000
        closedAfter.withLock { $0.append(connection.isClosed ? seconds : .infinity) }
        group.leave()
      }
      thread.stackSize = 1 << 18
      thread.start()
    }
    let attacked = try quantile99(seconds: 12)
    group.wait()
    let times = closedAfter.withLock { $0 }
    #expect(times.count == attackers)
    #expect(attacked.failures == 0)
    // Heads and bodies have 10 s here; the last byte may be on its way.
    let last = times.max() ?? .infinity
    bounds.expect(last <= 12, "the last attacker was closed after \(last) s")
    bounds.expect(
      attacked.p99 <= max(calm.p99 * 3, calm.p99 + 20),
      "p99 \(calm.p99) ms, under attack \(attacked.p99) ms")
    print(
      "O13: \(attackers) slow heads and bodies, closed after \(times.min() ?? 0)...\(times.max() ?? 0)"
        + " s; p99 \(calm.p99) ms, under attack \(attacked.p99) ms over \(attacked.count) requests")
    #expect(gateway.terminate() == 0)
  }

  @Test func `O15 · malformed JSON is 400 wherever it stands`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    let corpus = try MalformedCorpus(keys: ["iris": key], sample: "{}")
    let cases = corpus.cases.filter { $0.name.hasPrefix("json-") && $0.expects([400]) }
    #expect(cases.count >= 60)
    // Rows without an object around them are what a tensor takes, and so is a large number.
    let lawful = ["json-no-object", "json-number-too-large"]
    let client = gateway.client()
    var sent = 0
    for entry in cases where !lawful.contains(entry.name) {
      let whole = try #require(try corpus.pieces(of: entry).first)
      let end = try #require(whole.firstRange(of: Array("\r\n\r\n".utf8))).upperBound
      let text = Array(whole[end...])
      let tensor =
        Array(#"{"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP32", "data": "#.utf8)
        + text + Array("}]}".utf8)
      let requests = [
        ("/endpoints/iris/score", text), ("/v2/models/iris/infer", tensor),
        ("/v2/models/iris/infer", Array(#"{"inputs": "#.utf8) + text + Array("}".utf8)),
        ("/v1/models/iris:predict", Array(#"{"instances": "#.utf8) + text + Array("}".utf8)),
      ]
      for (path, body) in requests {
        let response = try client.send(
          method: "POST", path: path, headers: scoringHeaders(key), body: body)
        sent += 1
        let answer = String(decoding: response.body, as: UTF8.self)
        #expect(response.status == 400, "\(entry.name) at \(path): \(answer)")
        if path.hasSuffix("score"), !text.isEmpty {
          #expect(answer.contains("line ") && answer.contains("column "), "\(entry.name) \(answer)")
        }
      }
    }
    print("O15: \(cases.count) malformed documents in 4 places, \(sent) requests, all 400")
    #expect(gateway.terminate() == 0)
  }

  @Test func `O16 · malformed tensors are 400, and cost no memory`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    let client = gateway.client()
    let types = [
      "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
      "FP32", "FP64", "BYTES", "BF16", "FP31", "",
    ]
    let shapes = [
      "[1,5]", "[2,4]", "[4]", "[1,1,4]", "[]", "[0,4]", "[1,0]", "[-1,4]", "[1,-4]",
      "[9223372036854775807,4]", "[9223372036854775808,4]", "[4611686018427387904,4]",
      "[4294967296,4294967296]", "[1099511627776,4]", "[2147483648,4]", "[1.5,4]", "[1e0,4]",
      "[\"1\",4]", "[null,4]", "[true,4]", "4", "null", "{}",
      "[" + Array(repeating: "1", count: 65).joined(separator: ",") + "]",
    ]
    // The second request's limit is what the first ones have grown to.
    var rows: [(body: [UInt8], header: Int?)] = []
    func json(_ input: String) -> [UInt8] {
      Array(#"{"inputs":["#.utf8) + Array((input + "]}").utf8)
    }
    for type in types {
      for shape in shapes {
        rows.append(
          (
            json(#"{"name":"X","shape":\#(shape),"datatype":"\#(type)","data":[1,2,3,4]}"#), nil
          ))
      }
      if type != "FP32" {
        rows.append(
          (json(#"{"name":"X","shape":[1,4],"datatype":"\#(type)","data":[1,2,3,4]}"#), nil))
      }
    }
    for byteCount in 0...64 where byteCount != 16 {
      let header = json(
        #"{"name":"X","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":\#(byteCount)}}"#
      )
      rows.append((header + [UInt8](repeating: 0, count: byteCount), header.count))
    }
    for (declared, sent) in [(16, 15), (16, 17), (16, 0), (Int.max, 16), (1 << 40, 16)] {
      let header = json(
        #"{"name":"X","shape":[1,4],"datatype":"FP32","parameters":{"binary_data_size":\#(declared)}}"#
      )
      rows.append((header + [UInt8](repeating: 0, count: sent), header.count))
    }
    #expect(rows.count >= 400)
    let before = try memory("VmRSS", of: gateway)
    for (body, header) in rows {
      var headers = scoringHeaders(key)
      if let header { headers.append(("Inference-Header-Content-Length", "\(header)")) }
      let response = try client.send(
        method: "POST", path: "/v2/models/iris/infer", headers: headers, body: body)
      let text = String(decoding: response.body, as: UTF8.self)
      #expect(
        response.status == 400 && text.contains("error"),
        "\(String(decoding: body.prefix(200), as: UTF8.self)): \(response.status) \(text)")
    }
    let growth = try memory("VmHWM", of: gateway) - before
    #expect(growth < 16 << 20)
    print("O16: \(rows.count) malformed tensors, all 400; memory grew by \(growth >> 10) KiB")
    #expect(gateway.terminate() == 0)
  }

  @Test func `O17 · hostile bodies are cut at the limit`() throws {
    let limit = 8 << 20
    let gateway = try GatewayProcess(arguments: [
      "--apply", GatewayProcess.models.path, "--max-body-bytes", "\(limit)",
    ])
    let key = try gateway.key(of: "iris")
    let head =
      "POST /endpoints/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(key)\r\n"
    let before = try memory("VmRSS", of: gateway)
    func status(_ connection: CorpusConnection) -> [Int] {
      connection.read(answers: 1, milliseconds: 10_000)
      return connection.statuses
    }
    for _ in 0..<10 {
      // Told at the head: nothing of the body is waited for.
      let declared = try #require(CorpusConnection(port: gateway.port))
      declared.send(Array((head + "Content-Length: \(limit + 1)\r\n\r\n").utf8))
      #expect(status(declared) == [413])
      let chunked = try #require(CorpusConnection(port: gateway.port))
      chunked.send(Array((head + "Transfer-Encoding: chunked\r\n\r\n").utf8))
      let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x20, count: 65_536)
      var sent = 0
      while sent <= limit + (4 << 20), !chunked.isClosed {
        chunked.send(chunk + Array("\r\n".utf8))
        sent += 65_536
        chunked.read(answers: 1, milliseconds: 1)
        if !chunked.statuses.isEmpty { break }
      }
      #expect(status(chunked).first == 413)
      // What lies in the sockets' buffers was never read.
      #expect(sent <= limit + (4 << 20))
    }
    let growth = try memory("VmHWM", of: gateway) - before
    // One body at a time: it grows in place, and what it leaves serves the next one.
    #expect(growth <= limit + limit / 10 + (2 << 20), "\(growth)")
    print("O17: 20 bodies over \(limit >> 20) MiB, all 413; memory grew by \(growth >> 10) KiB")
    #expect(gateway.terminate() == 0)
  }

  @Test func `O19 · no wrong key of many is taken, and none is logged`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    let body = try SampleModels.request("iris/1")
    let accepted = Atomic<Int>(0)
    let others = Atomic<Int>(0)
    let throttled = Atomic<Int>(0)
    let tries = Campaign.count(5_000, full: 100_000)
    let port = gateway.port
    DispatchQueue.concurrentPerform(iterations: 4) { lane in
      let client = HTTPClient(.tcp(host: "127.0.0.1", port: port), timeout: .seconds(30))
      for index in stride(from: lane, to: tries, by: 4) {
        // Near misses: one byte is another, one is missing, one is too much.
        var guess = Array(key.utf8)
        switch index % 4 {
        case 0: guess[index / 4 % guess.count] ^= 1
        case 1: guess.remove(at: index / 4 % guess.count)
        case 2: guess.append(UInt8(ascii: "A") + UInt8(index % 26))
        default: guess = Array("guess-\(index)-canary".utf8)
        }
        let response = try? client.send(
          method: "POST", path: "/endpoints/iris/score",
          headers: scoringHeaders(String(decoding: guess, as: UTF8.self)), body: body)
        switch response?.status {
        case 401: break
        case 429:
          throttled.add(1, ordering: .relaxed)
          if response?.header("retry-after") == nil { others.add(1, ordering: .relaxed) }
        case 200: accepted.add(1, ordering: .relaxed)
        default: others.add(1, ordering: .relaxed)
        }
      }
    }
    #expect(accepted.load(ordering: .relaxed) == 0)
    #expect(others.load(ordering: .relaxed) == 0)
    // Twenty a minute: in however many minutes this has taken.
    let told = tries - throttled.load(ordering: .relaxed)
    #expect(told >= 20 && told % 20 == 0 && told <= 200, "\(told) were answered 401")
    let right = try gateway.client().send(
      method: "POST", path: "/endpoints/iris/score", headers: scoringHeaders(key), body: body)
    #expect(right.status == 200)
    #expect(gateway.terminate() == 0)
    let log = gateway.log()
    #expect(!log.contains("canary") && !log.contains(key))
    print("O19: \(tries) wrong keys, 0 accepted, none in \(log.utf8.count >> 10) KiB of log")
  }

  @Test func `O25 · the counters say what the client has seen`() throws {
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let key = try gateway.key(of: "iris")
    let body = try SampleModels.request("iris/1")
    let kinds: [(path: String, key: String, body: [UInt8])] = [
      ("/endpoints/iris/score", key, body), ("/endpoints/iris/score", key, Array("{".utf8)),
      ("/endpoints/iris/score", "wrong", body), ("/endpoints/nobody/score", key, body),
      ("/v2/models/iris/infer", key, Array("{}".utf8)), ("/v1/models/iris:predict", key, body),
      ("/endpoints/iris/invocations", key, Array("[]".utf8)),
    ]
    let seen = Mutex<[Int: Int]>([:])
    let port = gateway.port
    DispatchQueue.concurrentPerform(iterations: 4) { lane in
      let client = HTTPClient(.tcp(host: "127.0.0.1", port: port), timeout: .seconds(30))
      for index in 0..<350 {
        let kind = kinds[(index + lane) % kinds.count]
        let response = try? client.send(
          method: "POST", path: kind.path, headers: scoringHeaders(kind.key), body: kind.body)
        seen.withLock { $0[response?.status ?? 0, default: 0] += 1 }
      }
    }
    // What the library refuses in the middle of a body counts too.
    for _ in 0..<20 {
      let connection = try #require(CorpusConnection(port: gateway.port))
      connection.send(
        Array(
          ("POST /endpoints/iris/score HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(key)\r\n"
            + "Transfer-Encoding: chunked\r\n\r\nzz\r\n").utf8))
      connection.read(answers: nil, milliseconds: 5000)
      #expect(connection.isClosed)
      seen.withLock { $0[400, default: 0] += 1 }
    }
    pause(milliseconds: 100)
    let text = String(
      decoding: try gateway.client().send(method: "GET", path: "/metrics").body, as: UTF8.self)
    var counted: [Int: Int] = [:]
    var inFlight = 0
    for line in text.split(separator: "\n") {
      guard let value = line.split(separator: " ").last.flatMap({ Int($0) }) else { continue }
      if line.hasPrefix("swerve_requests_in_flight") { inFlight += value }
      guard line.hasPrefix("swerve_requests_total"),
        let code = line.firstRange(of: "code=\"").map({ line[$0.upperBound...].prefix(3) }),
        let status = Int(code)
      else { continue }
      counted[status, default: 0] += value
    }
    let sent = seen.withLock { $0 }
    #expect(counted.filter { $0.value > 0 } == sent)
    #expect(inFlight == 0)
    print("O25: \(sent.values.reduce(0, +)) requests, counters equal by status: \(sent)")
    #expect(gateway.terminate() == 0)
  }
}
