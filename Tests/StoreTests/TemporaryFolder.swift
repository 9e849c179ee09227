import Glibc

/// A folder of its own for one test.
final class TemporaryFolder: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/swerve-store-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template))
  }

  deinit { _ = system("rm -rf '\(path)'") }
}
