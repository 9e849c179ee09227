import Glibc
import Testing

@testable import Registry

struct SourceStampTests {
  @Test func `a stamp tells a file that was written to, replaced or renamed`() throws {
    let workspace = Workspace()
    let path = try workspace.file("model.txt", "first")
    let registration = ModelRegistration(name: "churn", version: nil, path: path)
    func stamp() throws -> String {
      try SourceStamp(try PackageSource(registration), now: 0).text
    }
    let first = try stamp()
    #expect(try stamp() == first)
    usleep(20_000)
    // The same size, the same inode, and the time of writing put back as a copying tool does.
    var status = stat()
    #expect(stat(path, &status) == 0)
    let file = open(path, O_WRONLY | O_CLOEXEC)
    #expect(pwrite(file, "again", 5, 0) == 5)
    let times = [status.st_atim, status.st_mtim]
    #expect(futimens(file, times) == 0)
    close(file)
    let second = try stamp()
    #expect(second != first)
    try workspace.file("other.txt", "again")
    #expect(rename(path.replacing("model.txt", with: "other.txt"), path) == 0)
    #expect(try stamp() != second)
  }

  @Test func `a stamp that is as young as the file proves nothing`() throws {
    let workspace = Workspace()
    let path = try workspace.file("model.txt", "first")
    let source = try PackageSource(ModelRegistration(name: "churn", version: nil, path: path))
    let now = time(nil)
    #expect(try SourceStamp(source, now: now).isSettled == false)
    #expect(try SourceStamp(source, now: now + 4).isSettled)
  }
}
