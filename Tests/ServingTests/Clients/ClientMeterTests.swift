import Documents
import Store
import Telemetry
import Testing

@testable import Serving

struct ClientMeterTests {
  private let second: UInt64 = 1_000_000_000

  private func quota(_ set: (inout ClientQuota) -> Void) -> ClientQuota {
    var quota = ClientQuota()
    set(&quota)
    return quota
  }

  @Test func `a burst is taken at once, and then the rate`() {
    let quota = quota {
      $0.requestsPerSecond = 2
      $0.burst = 3
    }
    var meter = ClientMeter(quota, now: 0)
    for _ in 0..<3 { #expect(meter.begin(quota, now: 0) == nil) }
    let refused = meter.begin(quota, now: 0)
    #expect(refused?.reason == .requestRate)
    #expect(refused?.seconds == 0.5)
    #expect(meter.begin(quota, now: second / 2) == nil)
    #expect(meter.begin(quota, now: second / 2)?.reason == .requestRate)
    // A long pause fills one burst, not more.
    var taken = 0
    while meter.begin(quota, now: 100 * second) == nil { taken += 1 }
    #expect(taken == 3)
  }

  @Test func `requests in flight are bounded, and room comes with each end`() {
    let quota = quota { $0.maxConcurrentRequests = 2 }
    var meter = ClientMeter(quota, now: 0)
    #expect(meter.begin(quota, now: 0) == nil)
    #expect(meter.begin(quota, now: 0) == nil)
    #expect(meter.begin(quota, now: 0)?.reason == .concurrency)
    meter.end(quota, bodyByteCount: 10, now: 0)
    #expect(meter.begin(quota, now: 0) == nil)
  }

  @Test func `a body larger than a second's worth is taken and paid for by the next`() {
    let quota = quota { $0.bodyBytesPerSecond = 100 }
    var meter = ClientMeter(quota, now: 0)
    #expect(meter.begin(quota, now: 0) == nil)
    meter.end(quota, bodyByteCount: 300, now: 0)
    let refused = meter.begin(quota, now: 0)
    #expect(refused?.reason == .bodyBytes)
    #expect((2...2.1).contains(refused?.seconds ?? 0))
    #expect(meter.begin(quota, now: second) != nil)
    #expect(meter.begin(quota, now: 2 * second + second / 10) == nil)
  }

  @Test func `another quota goes on from what was used`() {
    let metrics = MetricRegistry()
    var record = ClientKeyRecord(
      name: "shop", endpoint: "churn", quota: quota { $0.requestsPerSecond = 0.001 },
      createdAt: 0, createdBy: "test")
    let first = ClientKey(record, hash: [1], metrics: metrics)
    #expect(first.begin() == nil)
    record.quota = quota {
      $0.requestsPerSecond = 0.002
      $0.maxConcurrentRequests = 1
    }
    let second = ClientKey(record, hash: [1], metrics: metrics, before: first)
    // In flight since before the change, and its token is gone.
    #expect(second.begin()?.reason == .concurrency)
    first.end(bodyByteCount: 0)
    #expect(second.requestsInFlight == 0)
    #expect(second.begin()?.reason == .requestRate)
    record.quota = quota { $0.bodyBytesPerSecond = 100 }
    let third = ClientKey(record, hash: [1], metrics: metrics, before: second)
    #expect(third.begin() == nil, "what was not counted before begins full")
  }

  @Test func `a request that ends after its client was deleted brings no series back`() {
    let metrics = MetricRegistry()
    let record = ClientKeyRecord(
      name: "shop", endpoint: "churn", quota: ClientQuota(), createdAt: 0, createdBy: "test")
    let client = ClientKey(record, hash: [1], metrics: metrics)
    client.count(status: 200)
    func text() -> String { String(decoding: metrics.prometheusText(), as: UTF8.self) }
    #expect(text().contains("client=\"shop\""))
    client.forget()
    client.count(status: 200)
    client.count(status: 429)
    #expect(!text().contains("client=\"shop\""), "\(text())")
  }

  @Test func `bodies that come together are paid for before they are whole`() {
    let quota = quota { $0.bodyBytesPerSecond = 100 }
    var meter = ClientMeter(quota, now: 0)
    #expect(meter.begin(quota, bodyByteCount: 300, now: 0) == nil)
    #expect(meter.begin(quota, bodyByteCount: 300, now: 0)?.reason == .bodyBytes)
    // Only ten have come: the rest is given back.
    meter.end(quota, bodyByteCount: 10, taken: 300, now: 0)
    #expect(meter.begin(quota, now: 0) == nil)
    meter.take(quota, bodyByteCount: 90)
    #expect(meter.begin(quota, now: 0)?.reason == .bodyBytes)
    meter.end(quota, bodyByteCount: 90, taken: 90, now: 0)
    #expect(meter.begin(quota, now: 0)?.reason == .bodyBytes)
  }

  @Test func `a refused request takes nothing`() {
    let quota = quota {
      $0.requestsPerSecond = 1
      $0.maxConcurrentRequests = 1
      $0.burst = 2
    }
    var meter = ClientMeter(quota, now: 0)
    #expect(meter.begin(quota, now: 0) == nil)
    for _ in 0..<5 { #expect(meter.begin(quota, now: 0)?.reason == .concurrency) }
    meter.end(quota, bodyByteCount: 0, now: 0)
    #expect(meter.begin(quota, now: 0) == nil)
  }

  @Test(arguments: [
    ("{\"requests_per_second\": 0}", "0.001"), ("{\"burst\": 3}", "requests_per_second"),
    ("{\"max_concurrent_requests\": 0}", "integer"), ("{\"brust\": 3}", "brust"),
    ("{\"body_bytes_per_second\": \"many\"}", "integer"),
  ])
  func `a quota that cannot be meant is refused`(text: String, words: String) throws {
    let value = try JSONReader.read(text, source: "body")
    let error = try #require(throws: DocumentError.self) {
      try ClientQuota(Document(value, source: "body"))
    }
    #expect(error.description.contains(words))
  }

  @Test func `client keys survive a restart as hashes, and go with their endpoint`() throws {
    let bench = try ControlBench()
    _ = try bench.apply([
      bench.endpoint(traffic: "blue: 100"), bench.deployment("blue", answer: "1"),
      bench.endpoint("other"),
    ])
    let quota = quota { $0.requestsPerSecond = 5 }
    let made = try bench.control.putClientKey("shop", of: "churn", quota: quota, by: bench.actor)
    let key = try #require(made.key)
    #expect(key.hasPrefix("swc_"))
    func client(_ endpoint: String) -> String? {
      bench.service.table.endpoints[endpoint]?.client(offering: Array(key.utf8).span)?.record.name
    }
    #expect(client("churn") == "shop")
    #expect(client("other") == nil, "a key opens its own endpoint only")
    // Another quota keeps the key.
    let changed = try bench.control.putClientKey(
      "Shop", of: "churn", quota: ClientQuota(), by: bench.actor)
    #expect(changed.key == nil)
    #expect(changed.record.name == "shop")
    try bench.restart()
    #expect(client("churn") == "shop")
    let row = try bench.database.read { (transaction) throws(StoreError) in
      try transaction.query("SELECT hash FROM client_keys", [])
    }
    #expect(row.count == 1)
    #expect(!String(decoding: row[0].blob("hash"), as: UTF8.self).contains(key))
    #expect(try bench.control.deleteClientKey("SHOP", of: "churn", by: bench.actor))
    #expect(client("churn") == nil)
    let metrics = String(decoding: bench.metrics.prometheusText(), as: UTF8.self)
    #expect(!metrics.contains("client=\"shop\""), "a deleted key's numbers go with it")
    _ = try bench.control.putClientKey("shop", of: "churn", quota: quota, by: bench.actor)
    try bench.control.deleteEndpoint("churn", by: bench.actor)
    _ = try bench.apply([bench.endpoint("churn")])
    try bench.restart()
    #expect(try bench.control.clientKeys(of: "churn").isEmpty)
  }
}
