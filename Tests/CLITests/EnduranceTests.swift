import Foundation
import HTTP
import Synchronization
import TestTimes
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Many connections, a long time, and a clock that jumps.
@Suite(.serialized) struct EnduranceTests {
  private static func number(_ variable: String, default usual: Int) -> Int {
    ProcessInfo.processInfo.environment[variable].flatMap(Int.init) ?? usual
  }

  /// `VmRSS`, bytes.
  private func memory(_ process: Int32) throws -> Int {
    let text = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
    return try #require(Int(line.filter(\.isNumber))) * 1024
  }

  private func headers(_ key: String) -> [(name: String, value: String)] {
    [("Authorization", "Bearer \(key)"), ("Content-Type", "application/json")]
  }

  /// Milliseconds of which 99 of 100 requests take no more.
  private func p99(_ gateway: GatewayProcess, key: String, body: [UInt8]) throws -> Double {
    let client = gateway.client()
    var times: [Double] = []
    for _ in 0..<300 {
      let start = Date()
      let response = try client.send(
        method: "POST", path: "/endpoints/iris/score", headers: headers(key), body: body)
      times.append(Date().timeIntervalSince(start) * 1000)
      #expect(response.status == 200)
    }
    times.sort()
    return times[297]
  }

  @Test func `O6 · idle and used connections stay cheap, and nobody hangs at the limit`() throws {
    try StolenTime.judged("O6") { bounds in try manyConnections(&bounds) }
  }

  private func manyConnections(_ bounds: inout TimeBounds) throws {
    let count = Self.number("SWERVE_CONNECTIONS", default: 1000)
    var limit = rlimit()
    getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    limit.rlim_cur = min(limit.rlim_max, rlim_t(count + 2000))
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    let gateway = try GatewayProcess(arguments: [
      "--apply", GatewayProcess.models.path, "--max-connections", "\(count + 10)",
    ])
    let process = gateway.process.processIdentifier
    let key = try gateway.key(of: "iris")
    let body = try SampleModels.request("iris/1")
    let alone = try p99(gateway, key: key, body: body)
    let before = try memory(process)
    var connections: [RawConnection] = []
    for _ in 0..<count { connections.append(try #require(RawConnection(port: gateway.port))) }
    pause(milliseconds: 300)
    let idle = try memory(process) - before
    for connection in connections {
      connection.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
      #expect(connection.receiveAnswer().hasPrefix("HTTP/1.1 200"))
    }
    let used = try memory(process) - before
    // 220 MB for 10,000, and some for what does not depend on them.
    #expect(used <= count * 22_000 + (8 << 20), "\(used >> 10) KiB")
    let amid = try p99(gateway, key: key, body: body)
    bounds.expect(
      amid <= alone * 3 + 5, "p99 \(alone) ms alone, \(amid) ms beside \(count) connections")
    // At the limit a client takes an idle one's place, or is told 503.
    var slowest = 0.0
    for _ in 0..<min(500, count / 2) {
      let start = Date()
      let more = try #require(RawConnection(port: gateway.port))
      more.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
      let answer = more.receiveAnswer()
      slowest = max(slowest, Date().timeIntervalSince(start) * 1000)
      #expect(answer.hasPrefix("HTTP/1.1 200") || answer.hasPrefix("HTTP/1.1 503"), "\(answer)")
      connections.append(more)
    }
    bounds.expect(slowest < 1000, "an answer at the limit took \(slowest) ms")
    connections = []
    print(
      "O6: \(count) connections: idle \(idle >> 10) KiB, used \(used >> 10) KiB; p99 \(alone) ms "
        + "alone, \(amid) ms amid; at the limit the slowest answer took \(slowest) ms")
    #expect(gateway.terminate() == 0)
  }

  /// Bytes by which a process has grown while `work` was done `rounds` times, after as many times
  /// to warm up.
  private func growth(of process: Int32, rounds: Int, _ work: () throws -> Void) throws -> Int {
    for _ in 0..<rounds { try work() }
    let before = try memory(process)
    for _ in 0..<rounds { try work() }
    return try memory(process) - before
  }

  private static let maxGrowth = 4 << 20

  @Test func `O23 · memory, descriptors and threads do not grow, and what leaks is noticed`() throws
  {
    let rounds = Self.number("SWERVE_SOAK_ROUNDS", default: 30)
    let gateway = try GatewayProcess(arguments: ["--apply", GatewayProcess.models.path])
    let process = gateway.process.processIdentifier
    let keys = try ["iris", "breast-cancer"].map { try gateway.key(of: $0) }
    let bodies = try ["iris/1", "breast-cancer/1"].map { try SampleModels.request($0) }
    func work() throws {
      let client = gateway.client()
      for number in 0..<100 {
        let name = ["iris", "breast-cancer"][number % 2]
        _ = try client.send(
          method: "POST", path: "/endpoints/\(name)/score",
          headers: headers(keys[number % 2]),
          body: number % 10 == 9 ? Array("{\"data\": [[".utf8) : bodies[number % 2])
      }
      gateway.signal(SIGHUP)
      _ = try client.send(method: "GET", path: "/metrics")
    }
    for _ in 0..<rounds { try work() }
    let before = Resources(of: process)
    let grown = try growth(of: process, rounds: rounds, work)
    let after = before.settled(of: process)
    #expect(grown <= Self.maxGrowth, "\(grown >> 10) KiB in \(rounds) rounds")
    #expect(abs(after.descriptors - before.descriptors) <= 2, "\(before) \(after)")
    #expect(after.threads == before.threads, "\(before) \(after)")
    // The same check on a process that keeps what each round gives it.
    let leaking = Process()
    leaking.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    leaking.arguments = [
      "python3", "-c",
      "import sys\nkept=[]\nfor line in sys.stdin:\n  kept.append(bytearray(1<<20))\n  print(flush=True)",
    ]
    let (input, output) = (Pipe(), Pipe())
    leaking.standardInput = input
    leaking.standardOutput = output
    try leaking.run()
    let leaked = try growth(of: leaking.processIdentifier, rounds: rounds) {
      try input.fileHandleForWriting.write(contentsOf: Data("\n".utf8))
      _ = try output.fileHandleForReading.read(upToCount: 1)
    }
    try input.fileHandleForWriting.close()
    leaking.waitUntilExit()
    #expect(leaked > Self.maxGrowth, "a process that leaks is not noticed: \(leaked) bytes")
    print("O23: \(rounds * 100) requests and \(rounds) reloads: \(grown >> 10) KiB more")
    #expect(gateway.terminate() == 0)
  }

  /// A library that puts the wall clock forward by what a file says, for `LD_PRELOAD`.
  private func clockLibrary(in folder: URL) throws -> URL? {
    let source = folder.appendingPathComponent("clock.c")
    try #"""
    #define _GNU_SOURCE
    #include <fcntl.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <sys/syscall.h>
    #include <sys/time.h>
    #include <time.h>
    #include <unistd.h>
    static volatile long *step(void) {
      static volatile long *found;
      if (!found) {
        int file = open(getenv("CLOCK_STEP"), O_RDONLY);
        found = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
        close(file);
      }
      return found;
    }
    int clock_gettime(clockid_t clock, struct timespec *time) {
      int result = syscall(SYS_clock_gettime, clock, time);
      if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += *step();
      return result;
    }
    int gettimeofday(struct timeval *time, void *zone) {
      int result = syscall(SYS_gettimeofday, time, zone);
      time->tv_sec += *step();
      return result;
    }
    time_t time(time_t *out) {
      struct timeval now;
      gettimeofday(&now, 0);
      if (out) *out = now.tv_sec;
      return now.tv_sec;
    }
    """#.write(to: source, atomically: true, encoding: .utf8)
    let library = folder.appendingPathComponent("clock.so")
    let status = try CommandLineTool.run(
      "cc", "-shared", "-fPIC", "-o", library.path, source.path)
    return status == 0 ? library : nil
  }

  @Test func `O24 · steps of the clock fail no request and stall no timer`() throws {
    let folder = GatewayProcess.temporaryFolder()
    defer { try? FileManager.default.removeItem(at: folder) }
    guard let library = try clockLibrary(in: folder) else {
      return print("O24: there is no C compiler here: skipped")
    }
    let step = folder.appendingPathComponent("step")
    func set(_ seconds: Int64) throws {
      // In place: the gateway has the file in its memory.
      let handle = try FileHandle(forWritingTo: step)
      try handle.write(contentsOf: withUnsafeBytes(of: seconds) { Data($0) })
      try handle.close()
    }
    try Data(count: 8).write(to: step)
    let gateway = try GatewayProcess(
      arguments: ["--apply", GatewayProcess.models.path],
      environment: ["LD_PRELOAD": library.path, "CLOCK_STEP": step.path])
    let key = try gateway.key(of: "iris")
    let load = LoadGenerator(
      port: gateway.port, path: "/endpoints/iris/score", key: key,
      body: try SampleModels.request("iris/1"))
    // A head that never ends: its deadline is ten seconds, whatever the wall clock says.
    let slow = try #require(RawConnection(port: gateway.port))
    let begun = Date()
    slow.send("GET /livez HTTP/1.1\r\nHost")
    load.start(clients: 4)
    for seconds in [86_400, -86_400, 0, 3600, -3600, 86_400] as [Int64] {
      try set(seconds)
      pause(milliseconds: 400)
    }
    let tally = load.stop()
    #expect(tally.notOK == 0, "\(tally.answers) \(tally.failures.prefix(5))")
    let days = Set(
      gateway.log().split(separator: "\n").compactMap { line -> Substring? in
        guard let found = line.firstRange(of: #""time":""#) else { return nil }
        return line[found.upperBound...].prefix(10)
      })
    #expect(days.count > 1, "the log's clock has not been moved: \(days)")
    let told = slow.receiveAnswer()
    let seconds = Date().timeIntervalSince(begun)
    #expect(told.hasPrefix("HTTP/1.1 408"), "\(told)")
    #expect((9...14).contains(seconds), "\(seconds) s")
    print("O24: 6 steps of the clock, \(tally.sent) requests, \(tally.notOK) failed")
    #expect(gateway.terminate() == 0)
  }
}
