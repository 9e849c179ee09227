import Glibc
import TestFolders
import Testing

@testable import Store

@Suite struct ContainedFolderFoldersTests {
  private final class Place: Sendable {
    private let folder = TemporaryFolder(for: "folders")
    let root: ContainedFolder

    init() throws {
      let path = folder.path
      for folder in ["root", "root/a", "outside", "made"] { mkdir(path + "/" + folder, 0o755) }
      try DurableFile.write([1, 2], to: path + "/root/a/file")
      try DurableFile.write([3], to: path + "/made/result")
      symlink("../../outside", path + "/root/a/link")
      root = try ContainedFolder(path + "/root")
    }

    var path: String { folder.path }
  }

  @Test func `what lies in a folder below is listed, by a path that stays inside`() throws {
    let place = try Place()
    #expect(try place.root.entries("").map(\.name) == ["a"])
    #expect(try place.root.entries("a").map(\.name) == ["file", "link"])
    #expect(throws: StoreError.self) { try place.root.entries("a/link") }
    #expect(throws: StoreError.self) { try place.root.entries("..") }
    #expect(throws: StoreError.self) { try place.root.entries("a/file") }
  }

  @Test func `whether something is there is told, links not followed`() throws {
    let place = try Place()
    #expect(try place.root.exists("a/file") && place.root.exists("a/link"))
    #expect(try !place.root.exists("a/none") && !place.root.exists("none/none"))
    for path in ["../outside", "/etc", "a/../../x", "a\0"] {
      #expect(throws: StoreError.self, "\(path)") { try place.root.exists(path) }
    }
    #expect(throws: StoreError.self) { try place.root.exists("a/link/x") }
  }

  @Test func `a folder is moved in whole, and over nothing`() throws {
    let place = try Place()
    try place.root.adopt(place.path + "/made", as: "new/deep/folder")
    #expect(try place.root.read("new/deep/folder/result", maxBytes: 9) == [3])
    #expect(!FolderTree.exists(place.path + "/made"))
    mkdir(place.path + "/made", 0o755)
    for path in ["new/deep/folder", "a/file", "a"] {
      #expect(throws: StoreError.exists(path: place.path + "/root/" + path)) {
        try place.root.adopt(place.path + "/made", as: path)
      }
    }
    for path in ["../x", "a/link/x", "a/file/x", ""] {
      #expect(throws: StoreError.self, "\(path)") {
        try place.root.adopt(place.path + "/made", as: path)
      }
    }
    #expect(FolderTree.exists(place.path + "/made"))
    #expect(try FolderTree.entries(place.path + "/outside").isEmpty)
  }
}
