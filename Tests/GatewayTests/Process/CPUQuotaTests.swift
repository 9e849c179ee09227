import Testing

@testable import Gateway

struct CPUQuotaTests {
  private func quota(_ groups: String, _ files: [String: String]) -> Double? {
    CPUQuota.quota(cgroups: groups) { files[$0] }
  }

  @Test func `the smallest quota from the group up to the root counts`() {
    #expect(
      quota(
        "0::/a/b\n",
        [
          "/sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
          "/sys/fs/cgroup/a/cpu.max": "150000 100000\n",
          "/sys/fs/cgroup/cpu.max": "400000 100000\n",
        ]) == 1.5)
  }

  @Test func `a container sees its group as the root`() {
    #expect(
      quota("0::/docker/x\n", ["/sys/fs/cgroup/cpu.max": "50000 100000\n"]) == 0.5)
  }

  @Test func `version 1 has its own files`() {
    #expect(
      quota(
        "5:memory:/x\n4:cpu,cpuacct:/x\n0::/\n",
        [
          "/sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "200000\n",
          "/sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000\n",
          "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
          "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        ]) == 2)
  }

  @Test(arguments: ["", "max 100000", "0 100000", "x y", "-1 100000"])
  func `no quota is none`(text: String) {
    #expect(quota("0::/\n", ["/sys/fs/cgroup/cpu.max": text]) == nil)
  }

  @Test func `this machine has at least one processor`() {
    #expect(CPUQuota.processorCount >= 1)
  }
}
