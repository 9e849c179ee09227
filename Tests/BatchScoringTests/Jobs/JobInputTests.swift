import Compression
import Glibc
import Serving
import Tensors
import Testing

@testable import BatchScoring

/// What is read, in which order, and what is refused.
@Suite struct JobInputTests {
  private static func score(_ workshop: JobWorkshop, _ order: JobOrder) throws -> String {
    let job = try workshop.run(order)
    guard job.status == .completed else { return "\(job.status): \(job.reason ?? "")" }
    return try #require(workshop.text(order.name))
  }

  private static let header = "row,prediction,file_name\n"

  @Test func `files come in the order of the bytes of their paths, hidden ones not at all`() throws
  {
    let workshop = try JobWorkshop()
    for name in ["b.csv", "a/z.csv", "a.csv", "a/b/c.csv", "B.CSV", "a-1.csv"] {
      try workshop.write(name, "a,b\n1,1\n")
    }
    for name in [
      "_SUCCESS", ".hidden.csv", "_temporary/0/part.csv", ".git/config", "a/.part-0.csv.crc",
      "a/_started_123", ".b.csv.swp",
    ] {
      try workshop.write(name, "rubbish")
    }
    let text = try Self.score(workshop, workshop.order())
    let order = ["B.CSV", "a-1.csv", "a.csv", "a/b/c.csv", "a/z.csv", "b.csv"]
    #expect(text == Self.header + order.map { "0,1.5,\($0)\n" }.joined())
  }

  @Test func `empty files and such with a header alone are no error`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "")
    try workshop.write("b.csv", "a,b\n")
    try workshop.write("c.csv", "a,b")
    try workshop.write("d.jsonl", "\n\n")
    try workshop.write("e.csv", "a,b\n60,1\n")
    try workshop.write("f.csv.gz", "")
    #expect(try Self.score(workshop, workshop.order()) == Self.header + "0,2.25,e.csv\n")
    // Nothing at all to score is no failure of a row.
    try workshop.write("only/a.csv", "a,b\n")
    #expect(try Self.score(workshop, workshop.order("none", input: "only")) == Self.header)
    let bare = workshop.order("bare", input: "only") { $0.hasHeader = false }
    #expect(try Self.score(workshop, bare) == "")
    let carried = workshop.order("carried", input: "only") { $0.carriedColumns = ["id"] }
    #expect(try Self.score(workshop, carried).hasPrefix("failed: No succeeded mini batch item"))
  }

  @Test func `an output name that promises another form is refused`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n1,1\n")
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    for name in ["p.csv.gz", "P.CSV.GZ", "p.parquet", "p.jsonl.zst"] {
      let error = #expect(throws: BatchError.self) {
        _ = try service.submit(
          workshop.order { $0.outputFileName = name }, requestIdentifier: nil)
      }
      #expect(
        error?.description.hasPrefix("output_file_name '\(name)': predictions are written as plain")
          == true)
    }
    // Where none are written the name means nothing.
    let summary = workshop.order {
      $0.outputFileName = "p.parquet"
      $0.outputAction = .summaryOnly
    }
    _ = try service.submit(summary, requestIdentifier: nil)
  }

  // MARK: Arrays of JSON

  @Test func `a JSON array of records is read as its records`() throws {
    let workshop = try JobWorkshop()
    // As pandas writes it, over one line and over many.
    try workshop.write("a.json", #"[{"a":1,"b":1},{"a":1,"b":60}]"#)
    try workshop.write(
      "b.json",
      "\u{FEFF}\n[\r\n  {\n    \"b\":60,\n    \"a\":1\n  },\n {\"a\":60,\n\"b\":1}\n]\n")
    try workshop.write("c.json", "[[1,1],[1,60]]")
    try workshop.write(
      "d.json", #"[{"a":1,"note":"x, ] \" {","b":1},{"a":1,"b":"bad"},{"a":60,"b":1}]"#)
    let text = try Self.score(workshop, workshop.order())
    #expect(
      text == Self.header + "0,1.5,a.json\n1,3.125,a.json\n0,3.125,b.json\n1,2.25,b.json\n"
        + "0,1.5,c.json\n1,3.125,c.json\n0,1.5,d.json\n2,2.25,d.json\n")
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    #expect(errors.hasPrefix(#"{"file":"d.json","row":1,"#), "\(errors)")
  }

  @Test func `an element that is missing in an array is told, and an empty array has no rows`()
    throws
  {
    let workshop = try JobWorkshop()
    try workshop.write("a.json", "[[1,1], , [1,60],[1,1]]")
    try workshop.write("b.json", "[[1,60],]")
    try workshop.write("c.json", "[ ]\n")
    try workshop.write("d.json", "[,[1,60]]")
    let job = try workshop.run(workshop.order())
    #expect(
      workshop.text()
        == Self.header + "0,1.5,a.json\n2,1.5,a.json\n0,3.125,b.json\n", "\(workshop.text() ?? "")")
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    let places = errors.split(separator: "\n").map { $0.prefix(27) }
    #expect(
      places == [
        #"{"file":"a.json","row":1,"r"#, #"{"file":"b.json","row":1,"r"#,
        #"{"file":"d.json","row":0,"r"#,
      ], "\(errors)")
    #expect(job.progress.scoredRows == 3 && job.progress.failedRows == 3)
  }

  @Test func `an element with a line break in a string is one row that fails`() throws {
    let workshop = try JobWorkshop()
    for (number, breaks) in ["\n", "\r\n", "\n\n\n", "\r"].enumerated() {
      try workshop.write(
        "\(number).json", "[{\"a\":1,\"note\":\"v\(breaks)w\",\"b\":1},\n{\"a\":60,\"b\":1}]")
    }
    // As JSON Lines have it.
    try workshop.write("z.jsonl", "{\"a\":1,\"note\":\"v\rw\",\"b\":1}\n{\"a\":60,\"b\":1}\n")
    let job = try workshop.run(workshop.order())
    let errors = try #require(workshop.text("job", "errors.jsonl")).split(separator: "\n")
    for (file, line) in zip(["0.json", "1.json", "2.json", "3.json", "z.jsonl"], errors) {
      #expect(line.hasPrefix(#"{"file":"\#(file)","row":0,"#), "\(line)")
      #expect(
        line.contains(#""reason":"a string holds a line break; it must be escaped""#), "\(line)")
    }
    #expect(job.progress.failedRows == 5 && job.progress.scoredRows == 5, "\(errors)")
    #expect(workshop.text()?.contains("1,2.25,0.json\n1,2.25,1.json\n") == true)
  }

  @Test func `an array that is not closed is told with the rows that it has`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.json", #"[{"a":1,"b":1},{"a":1,"b":60},"#)
    try workshop.write("b.json", #"[{"a":1,"b":1},{"a":1,"b""#)
    let job = try workshop.run(workshop.order())
    #expect(job.progress.scoredRows == 3 && job.progress.failedRows == 2)
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    #expect(
      errors.split(separator: "\n").allSatisfy {
        $0.contains("the JSON array is not closed: the file ends too early")
      }, "\(errors)")
  }

  @Test func `an empty list is an array where nothing follows it, and else a line`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.jsonl", "[]\n[1,1]\n[]\n[1,60]\n")
    try workshop.write("b.jsonl", " [ ] \n\n")
    try workshop.write("c.jsonl", "[]")
    try workshop.write("d.jsonl", "[]\n\n{\"a\":60,\"b\":1}")
    let job = try workshop.run(workshop.order())
    #expect(
      workshop.text() == Self.header + "1,1.5,a.jsonl\n3,3.125,a.jsonl\n1,2.25,d.jsonl\n")
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    #expect(
      errors.split(separator: "\n").map { $0.prefix(27) } == [
        #"{"file":"a.jsonl","row":0,""#, #"{"file":"a.jsonl","row":2,""#,
        #"{"file":"d.jsonl","row":0,""#,
      ], "\(errors)")
    #expect(job.progress.failedRows == 3)
  }

  @Test(arguments: [1, 3, 64]) func `how a list's file comes in changes nothing`(
    _ pieceBytes: Int
  ) throws {
    func rows(_ text: String) throws -> String {
      var source = UnrolledArray(
        PieceSource(bytes: Array(text.utf8), pieceBytes: pieceBytes), name: "t")
      var bytes = [UInt8](repeating: 0, count: 1024)
      var all: [UInt8] = []
      while true {
        let count = try bytes.withUnsafeMutableBytes { (room) throws(BatchError) in
          try source.read(into: room)
        }
        if count == 0 { return String(decoding: all, as: UTF8.self) }
        all += bytes[..<count]
      }
    }
    #expect(try rows("[]\n[1]\n") == "[]\n[1]\n")
    #expect(try rows("[ ]\n ") == "  \n\n ")
    #expect(try rows("[[1],[2]]\n") == " [1]\n[2]\n\n")
    #expect(throws: BatchError.self) { try rows("[[1],[2]]\n[3]") }
  }

  @Test func `a file that goes on behind an array says so`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.jsonl", "[[1,1]]\n[[1,60]]\n")
    try workshop.write("b.jsonl", "[{\"a\":1,\"b\":1}]\n{\"a\":1,\"b\":60}\n")
    try workshop.write("c.json", "[[1,1],\n[1,60]\n] x")
    let job = try workshop.run(workshop.order())
    #expect(
      workshop.text()
        == Self.header + "0,1.5,a.jsonl\n0,1.5,b.jsonl\n0,1.5,c.json\n1,3.125,c.json\n")
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    let sentence = "and the file goes on behind it; expected one array alone, or lines that are"
    #expect(
      errors.split(separator: "\n").map { $0.contains(sentence) && $0.contains(#""row":null"#) }
        == [true, true, true], "\(errors)")
    #expect(errors.contains("ends in line 1,") && errors.contains("ends in line 3,"), "\(errors)")
    #expect(job.progress.failedRows == 3)
  }

  @Test func `an array is gone on with where a crash ended it, packed or not`() throws {
    let workshop = try JobWorkshop()
    let rows = (0..<200).map { "{\"a\": \($0 % 97),\n \"b\": \($0 % 89).5}" }
    let text = Array("[\(rows.joined(separator: ",\n"))]".utf8)
    try workshop.write("a.json", text)
    try workshop.write("b.json.gz", try #require(ContentCoding.gzip.compressed(text)))
    try workshop.run(workshop.order("whole"))
    for step in [20, 45, 70, 95] {
      let name = "job-\(step)"
      try workshop.crash(
        workshop.order(name) { $0.miniBatchRows = 20 }, at: step, JobWorkshop.commitOften)
      let second = workshop.service(JobWorkshop.commitOften)
      try second.start()
      #expect(try workshop.ending(of: name, second).status == .completed)
      second.stop()
      #expect(workshop.text(name) == workshop.text("whole"), "step \(step)")
    }
  }

  // MARK: Tensors

  @Test func `a model of one tensor is scored from arrays and from lines of JSON`() throws {
    let workshop = try JobWorkshop()
    try workshop.register("image", ONNXText.identity([nil, 2, 2]))
    var order = workshop.order()
    order.model = "image"
    let numbers = (0..<12).map { Float($0) }
    try workshop.write("a.npy", NPYFormat.write(Tensor(numbers, shape: Shape(3, 2, 2))))
    try workshop.write("b.jsonl", "[[1,2],[3,4]]\n[[1,2]]\n{\"x\":[[5,6],[7,8]]}\n")
    try workshop.write("c.json", "[[[1,2],[3,4]],\n [[5,6],[7,8]]]")
    try workshop.write("d.csv", "a,b,c,d\n1,2,3,4\n")
    try workshop.write("e.npy", NPYFormat.write(Tensor(numbers, shape: Shape(3, 4))))
    let job = try workshop.run(order)
    #expect(job.status == .completed, "\(job.reason ?? "")")
    #expect(
      workshop.text() == """
        row,prediction_0,prediction_1,prediction_2,prediction_3,file_name
        0,0.0,1.0,2.0,3.0,a.npy
        1,4.0,5.0,6.0,7.0,a.npy
        2,8.0,9.0,10.0,11.0,a.npy
        0,1.0,2.0,3.0,4.0,b.jsonl
        2,5.0,6.0,7.0,8.0,b.jsonl
        0,1.0,2.0,3.0,4.0,c.json
        1,5.0,6.0,7.0,8.0,c.json

        """)
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    #expect(errors.contains(#""file":"b.jsonl","row":1,"#), "\(errors)")
    #expect(
      errors.contains(
        #""file":"d.csv","row":null,"reason":"the model takes tensors, not rows of columns: 'x'""#),
      "\(errors)")
    #expect(errors.contains("holds [3, 4] of float32; the model takes [-1, 2, 2]"), "\(errors)")
    #expect(job.progress.failedRows == 3)
  }

  // MARK: Arrays of NumPy

  /// As `numpy.save` writes an array, with numbers of 8 bytes in the order given.
  private static func npy(
    _ type: String, fortran: Bool, _ shape: String, _ numbers: [UInt64], bigEndian: Bool
  ) -> [UInt8] {
    var header =
      "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': \(shape), }"
    header += String(repeating: " ", count: 118 - header.utf8.count - 1) + "\n"
    var file: [UInt8] = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0, 118, 0] + Array(header.utf8)
    for number in numbers {
      let ordered = bigEndian ? number.bigEndian : number.littleEndian
      withUnsafeBytes(of: ordered) { file += $0 }
    }
    return file
  }

  @Test(arguments: [false, true]) func `arrays of any order are read, and gone on with`(
    _ isBigEndian: Bool
  ) throws {
    let workshop = try JobWorkshop()
    let count = 70
    let rows = (0..<count).map { [Double($0 % 97), Double($0 % 89) + 0.5] }
    try workshop.write(
      "plain/a.npy", NPYFormat.write(Tensor(rows.flatMap(\.self), shape: Shape(count, 2))))
    let columns = (0..<2).flatMap { column in rows.map { $0[column].bitPattern } }
    let type = isBigEndian ? ">f8" : "<f8"
    try workshop.write(
      "fortran/a.npy",
      Self.npy(type, fortran: true, "(\(count), 2)", columns, bigEndian: isBigEndian))
    try workshop.write(
      "order/a.npy",
      Self.npy(
        type, fortran: false, "(\(count), 2)", rows.flatMap { $0.map(\.bitPattern) },
        bigEndian: isBigEndian))
    let expected = try Self.score(workshop, workshop.order("plain", input: "plain"))
    #expect(expected.utf8.count { $0 == 0x0A } == count + 1)
    for input in ["fortran", "order"] {
      #expect(try Self.score(workshop, workshop.order(input, input: input)) == expected)
      for step in [12, 24, 36] {
        let name = "\(input)-\(step)"
        try workshop.crash(
          workshop.order(name, input: input) { $0.miniBatchRows = 9 }, at: step,
          JobWorkshop.commitOften)
        let second = workshop.service(JobWorkshop.commitOften)
        try second.start()
        #expect(try workshop.ending(of: name, second).status == .completed)
        second.stop()
        #expect(workshop.text(name) == expected, "\(name)")
        #expect(
          workshop.text(name, "_SUCCESS.json")?.contains("\"rows\":\(count)") == true)
      }
    }
  }

  @Test func `an array in Fortran's order that is cut off or too long has no rows`() throws {
    let workshop = try JobWorkshop()
    let whole = Self.npy(
      "<f8", fortran: true, "(2, 2)", [1, 2, 3, 4].map { ($0 as Double).bitPattern },
      bigEndian: false)
    try workshop.write("a.npy", Array(whole.dropLast(3)))
    try workshop.write("b.npy", whole + [0])
    try workshop.write("c.npy", whole)
    let job = try workshop.run(workshop.order())
    #expect(job.progress.failedRows == 2 && job.progress.scoredRows == 2)
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    #expect(errors.contains("[2, 2] of float64 takes 32 bytes; 29 follow the header"), "\(errors)")
    #expect(errors.contains("[2, 2] of float64 takes 32 bytes; 33 follow the header"), "\(errors)")
  }

  @Test func `every form is read, packed or not, by its ending in any case`() throws {
    let workshop = try JobWorkshop()
    let rows = "a,b\n1,1\n1,60\n"
    let lines = "{\"b\":60,\"a\":1}\n[60,1]\n"
    try workshop.write("a.Csv", rows)
    try workshop.write("b.csv.GZ", try #require(ContentCoding.gzip.compressed(Self.long(rows))))
    try workshop.write("c.jsonl", lines)
    try workshop.write("d.NDJSON", lines)
    try workshop.write("e.json", lines)
    let table = Tensor([1, 60, 60, 1, 1, 1] as [Double], shape: Shape(3, 2))
    try workshop.write("g.npy", NPYFormat.write(table))
    let narrow = Tensor([1, 60] as [Int8], shape: Shape(1, 2))
    try workshop.write("h.npy", NPYFormat.write(narrow))
    let text = try Self.score(workshop, workshop.order())
    let lineRows = { (file: String) in "0,3.125,\(file)\n1,2.25,\(file)\n" }
    let expected =
      Self.header + "0,1.5,a.Csv\n1,3.125,a.Csv\n"
      + (0..<400).map { "\($0),\($0 % 2 == 0 ? "1.5" : "3.125"),b.csv.GZ\n" }.joined()
      + ["c.jsonl", "d.NDJSON", "e.json"].map(lineRows).joined()
      + "0,3.125,g.npy\n1,2.25,g.npy\n2,1.5,g.npy\n0,3.125,h.npy\n"
    #expect(text == expected)
  }

  /// 400 rows, so that packing makes them smaller.
  private static func long(_ rows: String) -> [UInt8] {
    let body = rows.dropFirst(4)
    return Array(("a,b\n" + String(repeating: String(body), count: 200)).utf8)
  }

  @Test func `members of gzip may follow one another, and damage counts once`() throws {
    let workshop = try JobWorkshop()
    let whole = try #require(ContentCoding.gzip.compressed(Self.long("a,b\n1,1\n1,60\n")))
    let more = try #require(
      ContentCoding.gzip.compressed(Array(String(repeating: "1,1\n", count: 200).utf8)))
    try workshop.write("joined.csv.gz", whole + more)
    try workshop.write("torn.csv.gz", Array(whole.dropLast(9)))
    try workshop.write("z.csv.gz", "no gzip")
    let job = try workshop.run(workshop.order())
    #expect(job.status == .completed)
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    let lines = errors.split(separator: "\n").map(String.init)
    #expect(lines.count == 2)
    #expect(
      lines.first
        == #"{"file":"torn.csv.gz","row":null,"reason":"the gzip data ends too early","value":""}"#)
    #expect(lines.last?.contains("is no valid gzip") == true)
    let text = try #require(workshop.text())
    #expect(text.contains("599,1.5,joined.csv.gz\n") && !text.contains("600,"))
  }

  @Test func `zeros behind a member of gzip are padding`() throws {
    let workshop = try JobWorkshop()
    let whole = try #require(ContentCoding.gzip.compressed(Self.long("a,b\n1,1\n1,60\n")))
    let more = try #require(
      ContentCoding.gzip.compressed(Array(String(repeating: "1,1\n", count: 200).utf8)))
    // More of them than are read at once.
    let zeros = [UInt8](repeating: 0, count: 600_000)
    try workshop.write("a.csv.gz", whole + zeros)
    try workshop.write("b.csv.gz", whole + [0] + more + [0, 0])
    try workshop.write("c.csv.gz", [0] + whole)
    try workshop.write("d.csv.gz", whole + [0, 1])
    let job = try workshop.run(workshop.order())
    #expect(job.progress.scoredRows == 400 + 600 + 400 && job.progress.failedRows == 2)
    let errors = try #require(workshop.text("job", "errors.jsonl")).split(separator: "\n")
    #expect(errors.first?.hasPrefix(#"{"file":"c.csv.gz","row":null"#) == true, "\(errors)")
    #expect(errors.last?.hasPrefix(#"{"file":"d.csv.gz","row":null"#) == true, "\(errors)")
  }

  @Test func `an array has no columns that could be carried`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "id,a,b\n7,1,1\n")
    try workshop.write(
      "b.npy", NPYFormat.write(Tensor([1, 2] as [Double], shape: Shape(1, 2))))
    let job = try workshop.run(workshop.order { $0.carriedColumns = ["id"] })
    #expect(job.status == .completed && job.progress.failedRows == 1)
    #expect(workshop.text() == "id,row,prediction,file_name\n7,0,1.5,a.csv\n")
    #expect(
      workshop.text("job", "errors.jsonl")
        == #"{"file":"b.npy","row":null,"reason":"is an array without names: it has no column "#
        + #"'id', which is to be carried","value":""}"# + "\n")
  }

  @Test func `an array that the model does not take is told`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.npy", NPYFormat.write(Tensor([1, 2, 3] as [Double], shape: Shape(1, 3))))
    try workshop.write("b.npy", NPYFormat.write(Tensor([1, 2] as [Double], shape: Shape(2))))
    try workshop.write("c.npy", Array("no array".utf8))
    let whole = NPYFormat.write(Tensor([1, 2, 3, 4] as [Float], shape: Shape(2, 2)))
    try workshop.write("d.npy", Array(whole.dropLast(3)))
    try workshop.write("e.npy", whole)
    let job = try workshop.run(workshop.order())
    // Of the file that was cut off the rows before that are read.
    #expect(job.progress.failedRows == 4 && job.progress.scoredRows == 3)
    let errors = try #require(workshop.text("job", "errors.jsonl"))
    for part in [
      #"holds [1, 3] of float64; the model takes [-1, 2] of float64"#,
      #"holds [2] of float64; the model takes [-1, 2] of float64"#, "begin with",
      #"ends in row 1 of 2"#,
    ] {
      #expect(errors.contains(part), "\(part) in \(errors)")
    }
  }

  @Test func `a name that says nothing is refused unless a glob chose it`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n1,1\n")
    try workshop.write("sub/part-0", "a,b\n1,60\n")
    try workshop.write("sub/_x/part-1", "a,b\n1,60\n")
    let refused = try workshop.run(workshop.order())
    #expect(refused.status == .failed)
    #expect(refused.reason?.contains("'sub/part-0' ends like nothing that is read") == true)
    for (glob, files) in [
      ("**/part-*", ["sub/part-0"]), ("*/part-?", ["sub/part-0"]), ("*.csv", ["a.csv"]),
      ("**", ["a.csv", "sub/part-0"]), ("**/_x/*", ["sub/_x/part-1"]),
    ] {
      let name = "job-\(glob.hashValue)"
      let text = try Self.score(workshop, workshop.order(name, glob: glob))
      let found = text.split(separator: "\n").dropFirst().map {
        String($0.split(separator: ",")[2])
      }
      #expect(found == files, "\(glob)")
    }
    let none = try workshop.run(workshop.order("none", glob: "*.parquet"))
    #expect(none.reason?.hasSuffix("holds no file to be read that matches '*.parquet'") == true)
  }

  @Test func `a glob that is too long is refused`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n1,1\n")
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    for (glob, reason) in [
      (String(repeating: "?", count: 4097), "has 4097 bytes; 4096 may be"),
      (String(repeating: "**/", count: 65) + "*.csv", "has 66 parts; 64 may be"),
    ] {
      let error = #expect(throws: BatchError.self) {
        _ = try service.submit(workshop.order(glob: glob), requestIdentifier: nil)
      }
      #expect(error?.description == "glob '\(glob.prefix(40))…' \(reason)")
    }
    let most = String(repeating: "**/", count: 63) + "*.csv"
    #expect(try Self.score(workshop, workshop.order("most", glob: most)).hasSuffix(",a.csv\n"))
  }

  @Test func `a file may be called otherwise than it is`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("store/3f2a", "a,b\n1,1\n")
    var order = workshop.order(input: "store/3f2a")
    order.input.name = "rows.csv"
    #expect(try Self.score(workshop, order) == Self.header + "0,1.5,rows.csv\n")
    let stored = try #require(try workshop.store.job("job")).job.order
    #expect(stored == order)
  }

  @Test func `one file is an input too`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("sub/a.csv", "a,b\n1,1\n")
    let text = try Self.score(workshop, workshop.order(input: "sub/a.csv"))
    #expect(text == Self.header + "0,1.5,a.csv\n")
    // One that says nothing is told at once.
    try workshop.write("sub/latest", "a,b\n1,1\n")
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    let error = #expect(throws: BatchError.self) {
      _ = try service.submit(
        workshop.order("unknown", input: "sub/latest"), requestIdentifier: nil)
    }
    #expect(
      error?.description.hasPrefix("data/sub/latest: 'latest' ends like nothing that is read (.csv")
        == true, "\(error.debugDescription)")
    #expect(try service.job("unknown") == nil)
  }

  @Test func `predictions can go to a file for each file`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n1,1\n")
    try workshop.write("sub/b.jsonl", "[1,60]\n[60,1]\n")
    try workshop.write("sub/empty.csv", "")
    _ = try Self.order(workshop)
    #expect(workshop.text("job", "a.csv") == Self.header + "0,1.5,a.csv\n")
    #expect(
      workshop.text("job", "sub/b.csv")
        == Self.header + "0,3.125,sub/b.jsonl\n1,2.25,sub/b.jsonl\n")
    #expect(workshop.text("job", "sub/empty.csv") == Self.header)
    #expect(workshop.text("job", "predictions.csv") == nil)
    try workshop.write("a.jsonl", "[1,1]\n")
  }

  @Test func `a file of which nothing could be read has no file of predictions`() throws {
    let workshop = try JobWorkshop()
    let whole = try #require(ContentCoding.gzip.compressed(Self.long("a,b\n1,1\n1,60\n")))
    try workshop.write("good.csv", "a,b\n1,1\n")
    try workshop.write("columns.csv", "a,c\n1,1\n")
    try workshop.write("damaged.csv.gz", "no gzip")
    try workshop.write("sub/utf16.csv", [0xFF, 0xFE, 0x61, 0x00])
    // Of these something could: what was is there.
    try workshop.write("torn.jsonl", "[1,1]\n[1,")
    try workshop.write("rows.csv", "a,b\n1,x\n")
    try workshop.write("long.csv.gz", Array(whole.dropLast(9)))
    try workshop.write("header.csv", "a,b\n")
    for step in [nil, 30, 60] {
      let name = "job-\(step ?? 0)"
      let order = workshop.order(name) { $0.isPerFile = true }
      let job: Job
      if let step {
        try workshop.crash(order, at: step, JobWorkshop.commitOften)
        let second = workshop.service(JobWorkshop.commitOften)
        try second.start()
        job = try workshop.ending(of: name, second)
        second.stop()
      } else {
        job = try workshop.run(order)
      }
      #expect(job.status == .completed, "\(job.reason ?? "")")
      for file in ["columns.csv", "damaged.csv", "sub/utf16.csv", "sub"] {
        #expect(
          access(workshop.path + "/store/azureml/\(name)/score/\(file)", F_OK) != 0, "\(file)")
      }
      #expect(workshop.text(name, "good.csv") == Self.header + "0,1.5,good.csv\n")
      #expect(workshop.text(name, "torn.csv") == Self.header + "0,1.5,torn.jsonl\n")
      for file in ["rows.csv", "header.csv"] {
        #expect(workshop.text(name, file) == Self.header, "\(file)")
      }
      #expect(workshop.text(name, "long.csv")?.hasPrefix(Self.header + "0,1.5,") == true)
      let manifest = try #require(workshop.text(name, "_SUCCESS.json"))
      #expect(!manifest.contains(#""path":"columns.csv","bytes":0"#), "\(manifest)")
      #expect(manifest.contains(#""rows":0,"failed":1}"#), "\(manifest)")
      let errors = try #require(workshop.text(name, "errors.jsonl"))
      #expect(errors.contains(#"{"file":"columns.csv","row":null,"#), "\(errors)")
    }
  }

  @Test(arguments: [
    (["a.csv", "a.jsonl"], "for 'a.jsonl' and 'a.csv' would both be 'a.csv'"),
    (["sub/x.csv", "sub/x.csv.gz"], "would both be 'sub/x.csv'"),
    (["errors.jsonl.csv", "b.csv/c.csv", "b.json"], "in a folder 'b.csv'"),
  ])
  func `files whose predictions would meet are refused before there is a job`(
    _ files: [String], _ words: String
  ) throws {
    let workshop = try JobWorkshop()
    for file in files { try workshop.write(file, "") }
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    let error = #expect(throws: BatchError.self) {
      _ = try service.submit(
        workshop.order("clash") { $0.isPerFile = true }, requestIdentifier: nil)
    }
    #expect(error?.description.contains(words) == true, "\(error.debugDescription)")
    #expect(try service.job("clash") == nil)
    // In one file they do not meet.
    _ = try service.submit(workshop.order("one"), requestIdentifier: nil)
    #expect(try workshop.ending(of: "one", service).status == .completed)
  }

  private static func order(_ workshop: JobWorkshop) throws -> Job {
    let job = try workshop.run(workshop.order { $0.isPerFile = true })
    #expect(job.status == .completed, "\(job.reason ?? "")")
    return job
  }

  @Test func `settings choose what is written`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b,id\n1,1,x\n1,60,\"y, z\"\n")
    let carried = try Self.score(
      workshop, workshop.order("carried") { $0.carriedColumns = ["id"] })
    #expect(
      carried
        == "id,row,prediction,file_name\nx,0,1.5,a.csv\n\"y, z\",1,3.125,a.csv\n")
    let bare = try Self.score(workshop, workshop.order("bare") { $0.hasHeader = false })
    #expect(bare == "0,1.5,a.csv\n1,3.125,a.csv\n")
    _ = try workshop.run(workshop.order("lines") { $0.outputFileName = "out.jsonl" })
    #expect(
      workshop.text("lines", "out.jsonl")
        == #"{"row":0,"prediction":1.5,"file_name":"a.csv"}"# + "\n"
        + #"{"row":1,"prediction":3.125,"file_name":"a.csv"}"# + "\n")
    let summary = try workshop.run(
      workshop.order("summary") { $0.outputAction = .summaryOnly })
    #expect(summary.status == .completed && summary.progress.scoredRows == 2)
    #expect(workshop.output("summary", "predictions.csv") == nil)
    #expect(workshop.output("summary", "_SUCCESS.json") != nil)
  }

  // MARK: Roots (B13)

  @Test func `nothing outside the root is read`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n1,1\n")
    let secret = workshop.path + "/secret.csv"
    #expect(creat(secret, 0o600) >= 0)
    let data = workshop.path + "/data"
    mkdir(data + "/links", 0o755)
    symlink(secret, data + "/links/absolute.csv")
    mkdir(data + "/up", 0o755)
    symlink("../../secret.csv", data + "/up/relative.csv")
    mkdir(data + "/folder", 0o755)
    symlink("/etc", data + "/folder/etc")
    mkdir(data + "/loop", 0o755)
    symlink("../loop", data + "/loop/again")
    mkdir(data + "/pipe", 0o755)
    mkfifo(data + "/pipe/p.csv", 0o644)
    mkdir(data + "/device", 0o755)
    symlink("/dev/zero", data + "/device/zero.csv")
    mkdir(data + "/proc", 0o755)
    symlink("/proc/self/environ", data + "/proc/e.csv")
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    for (number, input) in [
      "../secret.csv", "/etc/passwd", "a.csv/../../secret.csv", "..", "links/absolute.csv",
      "up/relative.csv", "folder/etc", "device/zero.csv", "proc/e.csv", "pipe/p.csv", "nothing",
      "a.csv/x", String(repeating: "a/", count: 2100), String(repeating: "n", count: 300),
      "a\u{0}.csv", "file:///etc/passwd", "http://169.254.169.254/", "\\\\host\\share",
      "%2e%2e/secret.csv", "....//secret.csv",
    ].enumerated() {
      #expect(throws: BatchError.self, "\(input)") {
        _ = try service.submit(
          workshop.order("job-\(number)", input: input), requestIdentifier: nil)
      }
    }
    for input in ["links", "up", "folder", "loop", "pipe", "device", "proc"] {
      _ = try service.submit(workshop.order(input, input: input), requestIdentifier: nil)
      let job = try workshop.ending(of: input, service)
      #expect(job.status == .failed, "\(input)")
      #expect(job.reason?.contains("data/\(input)") == true, "\(job.reason ?? "")")
    }
  }

  @Test func `links within the root and hard links are read`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("real/a.csv", "a,b\n1,1\n")
    let data = workshop.path + "/data"
    mkdir(data + "/in", 0o755)
    symlink("../real/a.csv", data + "/in/link.csv")
    link(data + "/real/a.csv", data + "/in/hard.csv")
    symlink("../real", data + "/in/folder")
    let text = try Self.score(workshop, workshop.order(input: "in"))
    #expect(
      text == Self.header + "0,1.5,folder/a.csv\n0,1.5,hard.csv\n0,1.5,link.csv\n")
  }

  @Test func `the output stays in its root and is not written over`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n1,1\n")
    let service = workshop.service()
    try service.start()
    defer { service.stop() }
    mkdir(workshop.path + "/outside", 0o755)
    symlink(workshop.path + "/outside", workshop.path + "/store/link")
    for (number, folder) in ["../outside/x", "/tmp/x", "", ".", "a/../../x", "a\u{0}b"].enumerated()
    {
      var order = workshop.order("job-\(number)")
      order.output.folder = folder
      #expect(throws: BatchError.self, "\(folder)") {
        _ = try service.submit(order, requestIdentifier: nil)
      }
    }
    var linked = workshop.order("linked")
    linked.output.folder = "link/x"
    let outcome = Result { try service.submit(linked, requestIdentifier: nil) }
    if case .success = outcome {
      #expect(try workshop.ending(of: "linked", service).status == .failed)
    }
    #expect(access(workshop.path + "/outside/x", F_OK) != 0)
    for name in ["a/b.csv", "..", "", "errors.jsonl", "_SUCCESS.json"] {
      #expect(throws: BatchError.self) {
        _ = try service.submit(
          workshop.order("named") { $0.outputFileName = name }, requestIdentifier: nil)
      }
    }
    mkdir(workshop.path + "/store/azureml", 0o755)
    mkdir(workshop.path + "/store/azureml/there", 0o755)
    mkdir(workshop.path + "/store/azureml/there/score", 0o755)
    let error = #expect(throws: BatchError.self) {
      _ = try service.submit(workshop.order("there"), requestIdentifier: nil)
    }
    #expect(error == .outputExists("store/there"))
  }

  @Test func `an output that comes while the job runs is not written over`() throws {
    let workshop = try JobWorkshop()
    try workshop.write("a.csv", "a,b\n1,1\n")
    let path = workshop.path
    let job = try workshop.run(workshop.order()) {
      $0.steps = { (step) throws(BatchError) in
        guard step == .rename else { return }
        for folder in ["azureml", "azureml/job", "azureml/job/score"] {
          mkdir(path + "/store/" + folder, 0o755)
        }
      }
    }
    #expect(job.status == .failed)
    #expect(job.reason?.contains("exists already") == true)
    #expect(workshop.output() == nil && workshop.leftovers == [])
  }
}
