import Synchronization
import Telemetry
import Testing

@testable import Serving

/// Many clients change and read one endpoint. Each change has a generation, so that the order
/// they came into force in is known, and the history can be compared with it whole.
struct LinearizabilityTests {
  private struct Step: Sendable {
    var isWrite: Bool
    var start: UInt64
    var end: UInt64
    var value: String
    var generation: Int64
  }

  @Test func `C8 · concurrent changes are linearizable`() throws {
    let bench = try ControlBench()
    try bench.apply([bench.endpoint()])
    let clients = 8
    let steps = 60
    let history = Mutex<[Step]>([])
    let failures = Mutex<[String]>([])
    let threads = Threads()
    let clock = MonotonicClock.system
    let base = try bench.control.endpoint("churn").specification
    for client in 0..<clients {
      threads.start(name: "client") {
        for step in 0..<steps {
          let start = clock.now()
          do throws(ControlError) {
            var record: EndpointRecord
            if step % 3 == 0 {
              var wanted = base
              wanted.description = "\(client)-\(step)"
              record = try bench.control.putEndpoint(wanted, by: bench.actor).record
            } else {
              record = try bench.control.endpoint("churn")
            }
            let entry = Step(
              isWrite: step % 3 == 0, start: start, end: clock.now(),
              value: record.specification.description ?? "", generation: record.generation)
            history.withLock { $0.append(entry) }
          } catch {
            failures.withLock { $0.append("\(error)") }
          }
        }
      }
    }
    threads.join()
    #expect(failures.withLock { $0 } == [])
    let all = history.withLock { $0 }
    let writes = all.filter(\.isWrite)
    // Each change came into force once, and what was read is what some change wrote.
    var values: [Int64: String] = [:]
    for write in writes {
      #expect(values.updateValue(write.value, forKey: write.generation) == nil)
    }
    for read in all where !read.isWrite {
      #expect(read.value == values[read.generation] ?? "")
    }
    // What had ended before a step began is in force for it; what began after its end is not.
    var violations = 0
    for step in all {
      for write in writes where write.generation != step.generation {
        if write.end < step.start, write.generation > step.generation { violations += 1 }
        if write.start > step.end, write.generation < step.generation { violations += 1 }
      }
    }
    print("C8: \(all.count) steps of \(clients) clients, \(violations) out of order")
    #expect(violations == 0)
    #expect(all.count == clients * steps)
  }
}
