import FuzzReaders

#if canImport(Glibc)
  import Glibc
#endif

/// What libFuzzer calls with each input. `SWERVE_FUZZ_READER` names the reader.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  reader.read(UnsafeRawBufferPointer(start: start, count: count))
  return 0
}

private let reader: FuzzedReader = {
  let name = getenv("SWERVE_FUZZ_READER").map { String(cString: $0) } ?? ""
  guard let reader = FuzzedReader(rawValue: name) else {
    let names = FuzzedReader.allCases.map(\.rawValue).joined(separator: ", ")
    // A mistake of who starts it, before any input is read.
    let line = Array("fuzz: SWERVE_FUZZ_READER is '\(name)'; one of \(names) is expected\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    // Not `exit`: libFuzzer takes that for a crash of the reader.
    _exit(2)
  }
  return reader
}()
