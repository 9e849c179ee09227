import Executors
import Synchronization
import Telemetry
import TestExecutors
import Testing

@testable import Serving

#if canImport(Glibc)
  import Glibc
#endif

/// Many callers at once, with four protocols and rows that carry their own checksum, joined with
/// each other: each must get the very bytes that it gets alone. `SWERVE_REQUESTS` sets how many;
/// `loadtest/mixed-requests` runs a million.
struct MixedRequestTests {
  @Test func `mixed requests under batching: none is lost and none is crossed`() {
    let count = getenv("SWERVE_REQUESTS").flatMap { Int(String(cString: $0)) } ?? 20_000
    let fixture = ServiceFixture(maxWaiting: 100_000, threads: 2)
    defer { fixture.service.stop() }
    let executor = TestExecutor()
    let blue = fixture.deployment(executor, maxBatchRows: 32)
    fixture.install([blue], traffic: ["blue": 100])
    let alone = Scorer(LoadedModel(executor: TestExecutor(), format: "onnx"), like: blue.scorer)
    let next = Atomic(0)
    let right = Atomic(0)
    let faults = Mutex<[String]>([])
    let clients = Threads()
    for _ in 0..<8 {
      clients.start(name: "client") {
        let scratch = ScoringScratch(alone.executor.makeScratch())
        while true {
          // Some at once, so that they wait together.
          let first = next.wrappingAdd(8, ordering: .relaxed).oldValue
          guard first < count else { return }
          let requests = (first..<min(first + 8, count)).map { MixedRequest($0) }
          let callers = requests.map { FakeCaller(bytes: $0.body) }
          for (request, caller) in zip(requests, callers) {
            fixture.score(caller, form: request.form())
          }
          for (request, caller) in zip(requests, callers) {
            var times = ScoringTimes()
            let expected = try? alone.score(
              request.body.span, form: request.form(), scratch: scratch, started: 0, times: &times)
            if case .success(let bytes)? = caller.outcome()?.result, bytes == expected,
              caller.answerCount == 1
            {
              right.add(1, ordering: .relaxed)
            } else {
              faults.withLock { $0.append("\(request.number): \(caller.answer ?? "none")") }
            }
          }
        }
      }
    }
    clients.join()
    let faulty = faults.withLock { $0 }
    #expect(faulty.isEmpty, "\(faulty.prefix(5))")
    #expect(right.load(ordering: .relaxed) == count)
    #expect(executor.runCount < count, "requests were joined")
    print(
      "mixed requests: \(right.load(ordering: .relaxed)) of \(count) answered right in "
        + "\(executor.runCount) runs, \(faulty.count) lost or crossed")
  }
}

/// A request that nobody else sends: its number and a checksum of it are in each row.
private struct MixedRequest {
  let number: Int
  let body: [UInt8]
  private let headerByteCount: Int?

  init(_ number: Int) {
    self.number = number
    var checksum = UInt64(number) &* 0x9E37_79B9_7F4A_7C15
    checksum ^= checksum >> 29
    let rows = (0...(number % 3)).map { row in
      [number & 0xFFFF, number >> 16, row, Int(checksum & 0xFFFF)]
    }
    let count = rows.count
    let values = rows.joined().map { Float($0) }
    switch number % 4 {
    case 0:
      body = Array("{\"input_data\": \(rows)}".utf8)
      headerByteCount = nil
    case 1:
      body = Array("{\"instances\": \(rows)}".utf8)
      headerByteCount = nil
    case 2:
      let input =
        "{\"name\": \"X\", \"shape\": [\(count), 4], \"datatype\": \"FP32\", \"data\": \(rows)}"
      body = Array("{\"id\": \"\(number)\", \"inputs\": [\(input)]}".utf8)
      headerByteCount = nil
    default:
      let header =
        "{\"inputs\": [{\"name\": \"X\", \"shape\": [\(count), 4], \"datatype\": \"FP32\", "
        + "\"parameters\": {\"binary_data_size\": \(count * 16)}}], "
        + "\"parameters\": {\"binary_data_output\": true}}"
      headerByteCount = header.utf8.count
      body =
        Array(header.utf8)
        + values.flatMap { value in
          withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
        }
    }
  }

  /// One for each run: an answer writes into it.
  func form() -> AnswerForm {
    switch number % 4 {
    case 0: .score
    case 1: .invocations
    default:
      .inference(
        InferenceCall(modelName: "churn", version: nil, headerByteCount: headerByteCount))
    }
  }
}

extension Scorer {
  /// For answers that name the same deployment.
  fileprivate init(_ model: LoadedModel, like other: Scorer) {
    self.init(model)
    deploymentName = other.deploymentName
    modelVersion = other.modelVersion
  }
}
