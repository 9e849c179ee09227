import Glibc
import Serving
import Store
import Testing

@testable import BatchScoring

/// What the system refuses for the moment pauses a job, and says nothing about its files.
@Suite struct JobBusyTests {
  @Test func `a job waits for what the system has none of now`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", JobWorkshop.rows(0..<30))
    try workshop.run(workshop.order("whole"))
    for place in stride(from: 1, to: 20, by: 2) {
      let trap = StepTrap(at: place) { () throws(BatchError) in
        throw .system(EMFILE, "opening a.csv")
      }
      let name = "job-\(place)"
      let service = workshop.service { $0.steps = trap.steps }
      try service.start()
      _ = try service.submit(workshop.order(name), requestIdentifier: nil)
      let paused = try workshop.state(of: name, service) {
        $0.status == .paused || $0.status.isFinal
      }
      if paused.status == .paused {
        #expect(paused.reason == "busy: opening a.csv: Too many open files")
      }
      let job = try workshop.ending(of: name, service)
      service.stop()
      #expect(job.status == .completed, "step \(place): \(job.reason ?? "")")
      #expect(workshop.text(name) == workshop.text("whole"))
    }
  }

  @Test func `an input that cannot be opened now has not changed`() async {
    await #expect(processExitsWith: .success) {
      let workshop = try JobWorkshop()
      try workshop.write("a.csv", "a,b\n1,1\n")
      let order = workshop.order()
      let listing = try InputListing(order.input)
      let never: InterruptionCheck = { () throws(BatchError) in }
      let file = try listing.files(never)[0]
      var limit = rlimit()
      getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let before = limit.rlim_cur
      // Only numbers below the limit are given out, and all those are taken.
      let free = dup(0)
      limit.rlim_cur = rlim_t(free)
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      close(free)
      while dup(0) >= 0 {}
      var met: [BatchError] = []
      do throws(BatchError) { _ = try listing.open(file) } catch { met.append(error) }
      do throws(BatchError) { _ = try listing.files(never) } catch { met.append(error) }
      do throws(BatchError) { _ = try InputListing(order.input) } catch { met.append(error) }
      limit.rlim_cur = before
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      let areBusy = met.allSatisfy { if case .busy = $0 { true } else { false } }
      exit(met.count == 3 && areBusy ? 0 : 2)
    }
  }

  @Test func `only another file, or none, is a change`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n1,1\n")
    try workshop.write("sub/b.csv", "a,b\n1,1\n")
    let listing = try InputListing(workshop.order().input)
    let files = try listing.files { () throws(BatchError) in }
    let data = workshop.path + "/data/"
    func outcome(_ index: Int) -> String {
      do throws(BatchError) {
        close(try listing.open(files[index]))
        return ""
      } catch {
        if case .inputChanged = error { return "changed" }
        return "\(error)"
      }
    }
    #expect(outcome(0) == "" && outcome(1) == "")
    rename(data + "a.csv", data + "kept")
    #expect(outcome(0) == "changed")
    symlink("a.csv", data + "a.csv")
    #expect(outcome(0) == "changed")
    unlink(data + "a.csv")
    symlink("/etc/hostname", data + "a.csv")
    #expect(outcome(0) == "changed")
    unlink(data + "a.csv")
    mkdir(data + "a.csv", 0o755)
    #expect(outcome(0) == "changed")
    rename(data + "sub", data + "other")
    #expect(creat(data + "sub", 0o644) >= 0)
    #expect(outcome(1) == "changed")
  }
}
