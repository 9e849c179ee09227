import Foundation
import Glibc
import Store
import TestFolders
import Testing

struct FilesTests {
  let folder = TemporaryFolder(for: "store")

  func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  @Test func `a file is replaced as a whole and nothing is left beside it`() throws {
    let path = folder.path + "/secret"
    try DurableFile.write(Array("one".utf8), to: path, mode: 0o600)
    try DurableFile.write(Array("two, longer".utf8), to: path, mode: 0o600)
    #expect(try text(path) == "two, longer")
    var status = stat()
    #expect(stat(path, &status) == 0)
    #expect(status.st_mode & 0o777 == 0o600)
    #expect(try FolderTree.entries(folder.path).map(\.name) == ["secret"])
  }

  @Test func `a failed write says where and why, and leaves nothing`() throws {
    mkdir(folder.path + "/taken", 0o755)
    mkdir(folder.path + "/taken/full", 0o755)
    #expect(throws: StoreError.self) {
      try DurableFile.write([1], to: folder.path + "/taken")
    }
    #expect(try FolderTree.entries(folder.path).map(\.name) == ["taken"])
  }

  @Test func `a contained folder makes files below itself and nowhere else`() throws {
    let root = folder.path + "/root"
    try DurableFile.makeDirectory(root)
    let contained = try ContainedFolder(root)
    let file = try contained.create("a/b/new")
    try DurableFile.write(Array("one".utf8).span, to: file, path: "new")
    close(file)
    #expect(try text(root + "/a/b/new") == "one")
    #expect(throws: StoreError.self) { try contained.create("a/b/new") }
    close(try contained.openToWrite("a/b/new"))
    symlink(folder.path, root + "/out")
    symlink(folder.path + "/target", root + "/link")
    for path in [
      "../x", "../\u{301}x", "\u{600}/../../x", "a/../../x", "/x", "", "a/", "a//b", "out/x",
      "link", "a/b/new/x", "a\u{0}", ".",
    ] {
      #expect(throws: StoreError.self, "\(path)") { try contained.create(path) }
      #expect(throws: StoreError.self, "\(path)") { try contained.openToWrite(path) }
    }
    #expect(try FolderTree.entries(folder.path).map(\.name) == ["root"])
  }

  @Test func `a full disk is its own error`() {
    let full = open("/dev/full", O_WRONLY)
    defer { close(full) }
    #expect(throws: StoreError.noSpace(path: "/dev/full")) {
      try DurableFile.write([1, 2, 3].span, to: full, path: "/dev/full")
    }
  }

  @Test(arguments: [EMFILE, ENFILE, ENOMEM]) func `what is to be had again is its own error`(
    code: Int32
  ) {
    let error = StoreError.system(code, path: "/a", operation: "open")
    #expect(
      error == .busy(path: "/a", operation: "open", reason: String(cString: strerror(code))))
    #expect("\(error)" == "/a: cannot open now: \(String(cString: strerror(code)))")
  }

  @Test func `a call that failed says its number`() throws {
    let root = try ContainedFolder(folder.path)
    let error = #expect(throws: StoreError.self) { try root.open("nothing") }
    guard case .io(_, _, _, let code) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(code == ENOENT)
  }

  @Test func `the name of what lies below a folder is made last, and no link is followed`() throws {
    let root = try ContainedFolder(folder.path)
    try DurableFile.makeDirectory(folder.path + "/a/b")
    try root.syncName(of: "a/b")
    try root.syncName(of: "a")
    symlink("a", folder.path + "/link")
    for path in ["nothing/b", "../x", "link/b"] {
      #expect(throws: StoreError.self, "\(path)") { try root.syncName(of: path) }
    }
  }

  @Test func `a listing ends when it is not wanted any more`() throws {
    for name in ["a", "b", "c", "d"] { try DurableFile.write([1], to: folder.path + "/" + name) }
    let root = try ContainedFolder(folder.path)
    var asked = 0
    let entries = try root.entries("") {
      asked += 1
      return asked < 3
    }
    #expect(entries.count <= 2)
    #expect(try root.entries("").count == 4)
  }

  @Test func `a rename never takes another's place`() throws {
    try DurableFile.write([1], to: folder.path + "/a")
    try DurableFile.write([2], to: folder.path + "/b")
    #expect(throws: StoreError.self) {
      try DurableFile.rename(folder.path + "/a", to: folder.path + "/b")
    }
    try DurableFile.rename(folder.path + "/a", to: folder.path + "/c")
    #expect(try FolderTree.entries(folder.path).map(\.name) == ["b", "c"])
  }

  @Test func `a tree is made, synced and removed, and a link in it is not followed`() throws {
    let root = folder.path + "/x/y/z"
    try DurableFile.makeDirectory(root)
    try DurableFile.makeDirectory(root)
    try DurableFile.write([1], to: folder.path + "/outside")
    symlink("../../../outside", root + "/link")
    symlink(folder.path, root + "/up")
    try DurableFile.syncTree(folder.path + "/x")
    try FolderTree.remove(folder.path + "/x")
    try FolderTree.remove(folder.path + "/x")
    #expect(try FolderTree.entries(folder.path).map(\.name) == ["outside"])
  }

  @Test func `a contained folder opens what is in it and nothing else`() throws {
    let root = folder.path + "/root"
    try DurableFile.makeDirectory(root + "/sub")
    try DurableFile.write(Array("inside".utf8), to: root + "/sub/file")
    try DurableFile.write(Array("outside".utf8), to: folder.path + "/outside")
    symlink("sub/file", root + "/good")
    symlink("../outside", root + "/bad")
    symlink(folder.path + "/outside", root + "/absolute")
    symlink("..", root + "/sub/up")
    mkfifo(root + "/fifo", 0o644)
    let contained = try ContainedFolder(root)
    #expect(try contained.read("sub/file", maxBytes: 6) == Array("inside".utf8))
    #expect(try contained.read("good", maxBytes: 6) == Array("inside".utf8))
    #expect(try contained.read("sub/up/sub/file", maxBytes: 6) == Array("inside".utf8))
    #expect(throws: StoreError.self) { try contained.read("sub/file", maxBytes: 5) }
    for path in ["../outside", "sub/../../outside", "bad", "absolute", "/etc/passwd", "sub/up/.."] {
      #expect(throws: StoreError.escapes(path: path, root: root)) { try contained.open(path) }
    }
    for path in ["fifo", "sub", "none", "", "sub/file\u{0}"] {
      #expect(throws: StoreError.self) { try contained.open(path) }
    }
    #expect(try contained.kind(of: "fifo").kind == .other)
  }

  @Test func `one process has the workspace, and the other is told which`() throws {
    let lock = try WorkspaceLock(workspace: folder.path)
    #expect(WorkspaceLock.holder(of: folder.path) == getpid())
    #expect(throws: StoreError.locked(path: folder.path, holder: getpid())) {
      try WorkspaceLock(workspace: folder.path)
    }
    lock.release()
    #expect(WorkspaceLock.holder(of: folder.path) == nil)
    _ = try WorkspaceLock(workspace: folder.path)
  }

  @Test func `a killed process gives the workspace free`() throws {
    let path = folder.path + "/lock"
    let other = Process()
    other.executableURL = URL(fileURLWithPath: "/usr/bin/flock")
    // `--no-fork`: the shell that waits is the process that has the lock.
    other.arguments = [
      "--no-fork", path, "/bin/sh", "-c", "echo $$ > '\(path)'; exec sleep 60",
    ]
    try other.run()
    while WorkspaceLock.holder(of: folder.path) != other.processIdentifier { usleep(2_000) }
    #expect(throws: StoreError.locked(path: folder.path, holder: other.processIdentifier)) {
      try WorkspaceLock(workspace: folder.path)
    }
    kill(other.processIdentifier, SIGKILL)
    let lock = try WorkspaceLock(workspace: folder.path)
    #expect(WorkspaceLock.holder(of: folder.path) == getpid())
    withExtendedLifetime(lock) {}
    other.waitUntilExit()
  }
}
