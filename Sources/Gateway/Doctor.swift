internal import Glibc
internal import Registry
internal import Serving
internal import Store

/// Looks for what is wrong with a workspace. Changes nothing.
package enum Doctor {
  package struct Report: Sendable {
    /// A gateway holds the workspace.
    package var isRunning = false
    /// What was looked at and found well.
    package var facts: [String] = []
    /// What is wrong: the thing, what was found, what was expected.
    package var findings: [String] = []

    package init() {}
  }

  package static func examine(workspace: String) -> Report {
    var report = Report()
    guard access(workspace, F_OK) == 0 else {
      report.findings.append("there is no workspace at \(workspace)")
      return report
    }
    guard access(workspace, R_OK | X_OK) == 0 else {
      report.findings.append(
        "\(workspace) cannot be read by user id \(geteuid()): \(lastErrorText())")
      return report
    }
    if let holder = WorkspaceLock.holder(of: workspace) {
      report.isRunning = true
      report.facts.append("process \(holder) serves workspace \(workspace)")
    } else {
      report.facts.append("no gateway runs on workspace \(workspace)")
    }
    checkMode(of: workspace + "/secret", allowed: 0o600, in: &report)
    checkMode(of: workspace + "/swerve.db", allowed: 0o644, in: &report)
    checkSpace(of: workspace, in: &report)
    checkRegistry(workspace, in: &report)
    return report
  }

  private static func checkMode(of path: String, allowed: UInt32, in report: inout Report) {
    var status = stat()
    guard stat(path, &status) == 0 else {
      report.findings.append("\(path) is missing")
      return
    }
    let mode = status.st_mode & 0o777
    if mode & ~allowed != 0 {
      report.findings.append(
        "\(path) has mode 0\(String(mode, radix: 8)); expected 0\(String(allowed, radix: 8)) "
          + "or less")
    }
  }

  private static func checkSpace(of path: String, in report: inout Report) {
    var status = statvfs()
    guard statvfs(path, &status) == 0 else { return }
    let (free, overflows) = UInt64(status.f_bavail)
      .multipliedReportingOverflow(by: UInt64(status.f_frsize))
    let mebibytes = overflows ? UInt64.max : free >> 20
    if mebibytes < 100 {
      report.findings.append("\(path) has \(mebibytes) MiB free; expected at least 100")
    } else {
      report.facts.append("\(mebibytes) MiB free")
    }
  }

  /// The database's own check, then every registered file against its hash.
  private static func checkRegistry(_ workspace: String, in report: inout Report) {
    // Opening would make one: `checkMode` has told of its absence.
    guard access(workspace + "/swerve.db", F_OK) == 0 else { return }
    // Opening the registry would make one.
    guard access(workspace + "/models", F_OK) == 0 else {
      report.findings.append("\(workspace)/models is missing")
      return
    }
    do {
      let database = try Database(
        readingOnly: workspace + "/swerve.db", isInUse: report.isRunning)
      defer { database.close() }
      report.findings += database.integrityProblems().map { "swerve.db: \($0)" }
      let registry = try ModelRegistry(
        database: database, folder: workspace + "/models", inspector: ModelInspector())
      var count = 0
      var named: Set<String> = []
      for model in try registry.models(.all) {
        for version in try registry.versions(of: model.name, .all) {
          count += 1
          named.insert("\(version.name)/\(version.version)")
          do {
            try registry.verify(version)
          } catch {
            report.findings.append("model \(version.name):\(version.version): \(error)")
          }
        }
      }
      var strays = try unnamed(named, below: workspace + "/models")
      if report.isRunning, !strays.isEmpty {
        // A registration may be on its way just now.
        sleep(1)
        strays = try unnamed(named, below: workspace + "/models").filter(strays.contains)
      }
      report.findings += strays.map { "models/\($0) is named by no model version" }
      report.facts.append("swerve.db is sound; \(count) model versions match their hashes")
    } catch {
      report.findings.append("\(error)")
    }
  }

  /// What lies in the models' folder and no registered version names.
  private static func unnamed(
    _ named: Set<String>, below folder: String
  ) throws(StoreError) -> [String] {
    var strays: [String] = []
    for entry in try FolderTree.entries(folder) {
      if entry.name.hasPrefix(".") {
        strays.append(entry.name)
        continue
      }
      for version in try FolderTree.entries(folder + "/" + entry.name)
      where !named.contains("\(entry.name)/\(version.name)") {
        strays.append("\(entry.name)/\(version.name)")
      }
    }
    return strays
  }
}
