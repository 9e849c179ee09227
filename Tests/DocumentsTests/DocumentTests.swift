import Documents
import Testing

@Suite struct DocumentTests {
  private let document = Document(
    [
      "name": "blue", "count": 3, "traffic": ["blue": 10, "green": "90"], "flag": "True",
      "rate": 0.5, "list": [1, "two"], "nothing": nil, "odd key": [true],
    ], source: "d.yml")

  private func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  @Test func `getters give the value`() throws {
    #expect(try document.required("name").string() == "blue")
    #expect(try document.required("count").integer(in: 0...5) == 3)
    #expect(try document.required("count").double() == 3)
    #expect(try document.required("count").text() == "3")
    #expect(try document.required("flag").bool(acceptingText: true))
    #expect(try document.required("traffic").strings() == ["blue": "10", "green": "90"])
    #expect(
      try document.required("traffic").required("green").integer(acceptingText: true) == 90)
    #expect(try document.optional("nothing")?.value == nil)
    #expect(try document.optional("absent")?.value == nil)
    #expect(try document.required("list").elements().map(\.path) == ["$.list[0]", "$.list[1]"])
  }

  @Test func `errors name the place, what came and what was expected`() {
    #expect(
      message { _ = try document.required("traffic").required("green").integer(in: 0...100) }
        == "d.yml: $.traffic.green is the string '90'; expected an integer in 0...100")
    #expect(
      message { _ = try document.required("flag").bool() }
        == "d.yml: $.flag is the string 'True'; expected true or false")
    #expect(
      message { _ = try document.required("list").elements()[1].double() }
        == "d.yml: $.list[1] is the string 'two'; expected a number")
    #expect(message { _ = try document.required("nothing") } == "d.yml: $.nothing is missing")
    #expect(
      message { _ = try document.required("odd key").string() }
        == "d.yml: $['odd key'] is a list; expected a string")
    #expect(
      message { _ = try document.required("name").required("x") }
        == "d.yml: $.name is the string 'blue'; expected an object")
  }

  @Test(arguments: [
    ("instence_count", "instance_count"), ("isntance_count", "instance_count"),
    ("instance", "instance_count"), ("Model", "model"), ("zzz", nil),
  ])
  func `an unknown member names the nearest known one`(key: String, nearest: String?) {
    let document = Document(.object(DocumentObject([key: 1])), source: "d.yml")
    #expect(throws: DocumentError.unknownField(source: "d.yml", path: "$.\(key)", nearest: nearest))
    {
      try document.rejectUnknown(known: ["model", "instance_count", "environment"])
    }
  }

  @Test func `a dotted path reads and writes`() throws {
    var value: DocumentValue = ["a": ["b": [["c": 1], ["c": 2]]]]
    #expect(value.value(at: "a.b[1].c") == 2)
    #expect(value.value(at: "a.b[-1].c") == 2)
    #expect(value.value(at: "a.b[].c") == [1, 2])
    #expect(value.value(at: "a.x") == nil)
    try value.set(assignment: "a.b[0].c=on")
    try value.set(assignment: "new.deep=text=more")
    try value.set(assignment: "a.b[2]=5")
    #expect(value.value(at: "a.b") == [["c": true], ["c": 2], 5])
    #expect(value.value(at: "new.deep") == "text=more")
    #expect(throws: DocumentError.self) { try value.set(assignment: "a.b.c=1") }
    #expect(throws: DocumentError.self) { try value.set(assignment: "a") }
    #expect(throws: DocumentError.self) { try value.set(assignment: "a..b=1") }
    #expect(throws: DocumentError.self) { try value.set(assignment: "a.b[99]=1") }
  }
}
