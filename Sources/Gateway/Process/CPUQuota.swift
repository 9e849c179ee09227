#if canImport(Glibc)
  internal import Glibc
#endif

/// How many processors this process may use: those of the machine, or less by its cgroup.
package enum CPUQuota {
  package static var processorCount: Int {
    let online = max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
    let groups = fileText("/proc/self/cgroup") ?? ""
    guard let quota = quota(cgroups: groups, readingFile: fileText) else { return online }
    return min(online, max(1, Int(quota.rounded(.up))))
  }

  /// The smallest quota from the process's own group up to the root, in processors; nil when
  /// none is set.
  ///
  /// - Parameter groups: The text of `/proc/self/cgroup`.
  static func quota(cgroups groups: String, readingFile read: (String) -> String?) -> Double? {
    var smallest: Double?
    for line in groups.split(separator: "\n") {
      let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard fields.count == 3 else { continue }
      let controllers = fields[1].split(separator: ",")
      let isUnified = fields[0] == "0" && controllers.isEmpty
      guard isUnified || controllers.contains("cpu") else { continue }
      // A container sees its own group as the root: the path may not exist below the mount.
      for folder in ancestors(of: String(fields[2])) {
        let quota =
          isUnified
          ? unifiedQuota(read("/sys/fs/cgroup\(folder)/cpu.max"))
          : legacyQuota(
            read("/sys/fs/cgroup/cpu\(folder)/cpu.cfs_quota_us"),
            read("/sys/fs/cgroup/cpu\(folder)/cpu.cfs_period_us"))
        if let quota { smallest = min(smallest ?? quota, quota) }
      }
    }
    return smallest
  }

  /// `/a/b`, `/a`, and the root, which is written as nothing.
  private static func ancestors(of path: String) -> [String] {
    var parts = path.split(separator: "/").filter { $0 != ".." }
    var folders: [String] = []
    while !parts.isEmpty {
      folders.append("/" + parts.joined(separator: "/"))
      parts.removeLast()
    }
    return folders + [""]
  }

  /// `cpu.max`: `max 100000`, or a quota and its period.
  private static func unifiedQuota(_ text: String?) -> Double? {
    let fields = (text ?? "").split { $0 == " " || $0 == "\n" }
    guard fields.count == 2 else { return nil }
    return ratio(Double(fields[0]), Double(fields[1]))
  }

  /// -1 stands for no quota.
  private static func legacyQuota(_ quota: String?, _ period: String?) -> Double? {
    ratio(
      (quota?.split(separator: "\n").first).flatMap { Double($0) },
      (period?.split(separator: "\n").first).flatMap { Double($0) })
  }

  private static func ratio(_ quota: Double?, _ period: Double?) -> Double? {
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return quota / period
  }

  /// Nil where the file cannot be read: another kernel, or no such group. Then there is no quota.
  private static func fileText(_ path: String) -> String? {
    (try? fileBytes(path, maxBytes: 1 << 16)).map { String(decoding: $0, as: UTF8.self) }
  }
}
