import Documents
import Foundation
import Testing

@Suite struct YAMLTests {
  /// What `yaml.safe_load` of PyYAML 6.0.3 gives.
  fileprivate static let scalars: [(String, DocumentValue)] = [
    ("yes", DocumentValue.bool(true)), ("Off", false), ("y", "y"), ("~", nil), ("", nil),
    ("010", 8), ("0x1F", 31), ("0b11", 3), ("1_000", 1000), ("1:30", 90), ("-7", -7), ("08", "08"),
    ("1.10", 1.1), ("1e3", "1e3"), ("1.0e3", "1.0e3"), ("1.5e+3", 1500.0), (".5", 0.5), ("1.", 1.0),
    ("'5'", "5"), ("!!str 5", "5"), ("!!int \"5\"", 5), ("-.inf", .double(-.infinity)),
    ("2024-01-02", "2024-01-02"), ("a: b", ["a": "b"]), ("1.2.3", "1.2.3"), ("+.5", "+.5"),
    ("1: x", ["1": "x"]), ("True", true), ("\"yes\"", "yes"), ("1:30.5", 90.5), ("=", "="),
    ("|\n  a\n  b\n", "a\nb\n"), ("- 1\n- [2, {a: 3}]", [1, [2, ["a": 3]]]),
  ]

  private func error(_ text: String) -> DocumentError? {
    do {
      _ = try YAMLReader.read(text, source: "a.yml")
      return nil
    } catch {
      return error
    }
  }

  @Test(arguments: YAMLTests.scalars)
  func `a scalar is what PyYAML makes of it`(text: String, expected: DocumentValue) throws {
    #expect(try YAMLReader.read(text, source: "a.yml") == expected)
  }

  @Test func `merge keys are carried out, own members first`() throws {
    let text = """
      base: &base {cpu: 1, memory: 2}
      blue:
        <<: *base
        cpu: 4
      """
    let value = try YAMLReader.read(text, source: "a.yml")
    #expect(value.value(at: "blue") == ["cpu": 4, "memory": 2])
  }

  @Test func `a duplicate key is an error with its line`() {
    guard case .syntax("a.yml", let line, _, let reason) = error("a: 1\nb: 2\na: 3\n") else {
      Issue.record("read")
      return
    }
    #expect(line >= 1)
    #expect(reason.contains("duplicate key"))
    #expect(reason.contains("a"))
    #expect(error("1: a\n'1': b") != nil)
  }

  @Test func `a second document is an error unless all are asked for`() throws {
    let text = "a: 1\n---\nb: 2\n"
    guard case .syntax("a.yml", 3, _, _) = error(text) else {
      Issue.record("\(String(describing: error(text)))")
      return
    }
    #expect(try YAMLReader.documents(text, source: "a.yml") == [["a": 1], ["b": 2]])
    #expect(try YAMLReader.documents("", source: "a.yml") == [])
  }

  @Test func `a syntax error has line and column`() {
    guard case .syntax("a.yml", 2, _, _) = error("a: 1\nb: [1\n") ?? error("") else {
      #expect("\(error("a: 1\nb: [1\n")!)".hasPrefix("a.yml:"))
      return
    }
  }

  @Test(arguments: [
    "!mine 3", "? [a]\n: b", "*unknown", "!!int x", "99999999999999999999", "a: \u{0}",
  ])
  func `what the safe loader cannot take is refused`(text: String) {
    #expect(error(text) != nil)
  }

  @Test(.timeLimit(.minutes(1))) func `an alias bomb is refused at once`() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...12 {
      let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(aliases)]\n"
    }
    guard case .tooLarge = error(text) else {
      Issue.record("read")
      return
    }
    #expect(error(text + "*a12 : bomb\n") != nil)
    #expect(error(text + "[*a12] : bomb\n") != nil)
    #expect(error(text + "? *a12\n: bomb\n") != nil)
  }

  @Test func `deep nesting is refused, not followed`() {
    let text = String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
    #expect(error(text) != nil)
    #expect(error(String(repeating: "[", count: 100_000)) != nil)
    #expect(error(String(repeating: "- ", count: 100_000)) != nil)
  }

  @Test func `every public Azure ML file loads`() throws {
    guard let shared = sharedFolder() else { return }
    let root = shared.appending(path: "azureml-yaml")
    var count = 0
    for name in try FileManager.default.subpathsOfDirectory(atPath: root.path) {
      guard [".yml", ".yaml", "MLmodel"].contains(where: name.hasSuffix) else { continue }
      let text = try String(contentsOf: root.appending(path: name), encoding: .utf8)
        .replacing(/\{\{[A-Z_]+\}\}/, with: "value")
      if name.hasSuffix("config_bert_olive_analyze.yml") {
        // Another tool's settings; PyYAML keeps the last of the two.
        #expect("\(error(text)!)".contains("duplicate key 'checkpoint_directory'"))
        continue
      }
      let value = try YAMLReader.read(text, source: name)
      #expect(value.kindName == "an object", "\(name)")
      #expect(try YAMLReader.read(YAMLWriter.text(value), source: name) == value, "\(name)")
      count += 1
    }
    #expect(count > 30)
  }

  @Test func `what is written is read back`() throws {
    let value: DocumentValue = [
      "plain": "a b", "looksLikeBool": "yes", "number": "12", "date": "2024-01-02",
      "lines": "one\n  two\n\nthree\n", "noEnd": "a\nb", "quotes": "it's: # \"so\"", "empty": "",
      "list": [1, [2, 3], ["a": 1, "b": [true, nil]], [], "- x"], "object": ["nested": [:]],
      "small": 1e-7, "large": 1e300, "infinite": .double(-.infinity), "tab": "a\tb",
      "unicode": "Grün \u{85}", "trailing": "a\n\n", "yes": "key", "space ": " x",
    ]
    let text = YAMLWriter.text(value)
    #expect(try YAMLReader.read(text, source: "text") == value, "\(text)")
    #expect(YAMLWriter.text(["a": [["b": 1, "c": 2]]]) == "a:\n- b: 1\n  c: 2\n")
  }
}

/// `../shared` of the project; nil, with a line that says so, where there is none.
private func sharedFolder() -> URL? {
  let environment = ProcessInfo.processInfo.environment
  let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
  let folder =
    environment["SWERVE_SHARED"].map { URL(filePath: $0, relativeTo: root) }
    ?? root.appending(path: "../shared")
  if FileManager.default.fileExists(atPath: folder.path) { return folder }
  print("skipped: no shared folder at \(folder.path)")
  #expect(environment["CI"] != "true", "CI has the shared folder")
  return nil
}
