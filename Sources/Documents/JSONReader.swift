internal import CJansson

#if canImport(Glibc)
  internal import Glibc
#endif

/// Reads JSON texts of documents and envelopes (tensor data has a reader of its own).
///
/// Jansson does the reading. What it lets through or cannot be asked is done around it: depth
/// and NUL bytes by a scan of the text before, memory by a budget per call.
package enum JSONReader {
  /// - Throws: `DocumentError.syntax` with line and column; `.tooLarge` beyond `maxDepth` or a
  ///   memory budget of 20 times the text plus 64 KiB. Duplicate keys are errors.
  package static func read(
    _ text: Span<UInt8>, source: String, maxDepth: Int = 64
  ) throws(DocumentError) -> DocumentValue {
    _ = prepared
    let textStart = start(of: text)
    try check(text, source: source, maxDepth: maxDepth)
    var budget = JSONBudget(remaining: (text.count &* 20) &+ 65536)
    var failure = json_error_t()
    let root = unsafe withUnsafeMutablePointer(to: &budget) { budget in
      unsafe pthread_setspecific(JSONBudget.key, budget)
      defer { pthread_setspecific(JSONBudget.key, nil) }
      return unsafe text.withUnsafeBytes { bytes in
        unsafe json_loadb(
          bytes.baseAddress.map { unsafe $0.assumingMemoryBound(to: CChar.self) + textStart },
          bytes.count - textStart, Int(JSON_REJECT_DUPLICATES | JSON_DECODE_ANY), &failure)
      }
    }
    guard let root = unsafe root else {
      if budget.isExhausted {
        throw .tooLarge(
          source: source, reason: "reading it takes more than 20 times its \(text.count) bytes")
      }
      throw error(failure, in: text, from: textStart, source: source)
    }
    // Freed without a budget in force, which its `free` allows for.
    defer { unsafe json_decref(root) }
    return unsafe value(of: root)
  }

  package static func read(_ text: String, source: String) throws(DocumentError) -> DocumentValue {
    try read(Array(text.utf8).span, source: source)
  }

  /// Editors on Windows write a byte order mark that JSON has no place for.
  private static func start(of text: Span<UInt8>) -> Int {
    text.count >= 3 && text[0] == 0xEF && text[1] == 0xBB && text[2] == 0xBF ? 3 : 0
  }

  /// Set up once: allocation through `JSONBudget`, and hashes seeded from the system's random
  /// numbers, which must happen before two threads make their first object.
  private static let prepared: Void = {
    unsafe json_set_alloc_funcs(
      { size in unsafe JSONBudget.allocate(size) }, { block in unsafe JSONBudget.free(block) })
    json_object_seed(0)
  }()

  /// Refuses NUL, which Jansson takes for the end, and nesting that its recursion would follow.
  private static func check(
    _ text: Span<UInt8>, source: String, maxDepth: Int
  ) throws(DocumentError) {
    var depth = 0
    var isInString = false
    var index = 0
    while index < text.count {
      let byte = text[index]
      switch byte {
      case 0:
        let (line, column) = place(of: index, in: text)
        throw .syntax(source: source, line: line, column: column, reason: "a NUL byte")
      case UInt8(ascii: "\""):
        isInString.toggle()
      case UInt8(ascii: "\\") where isInString:
        // The next byte is escaped; a NUL there is met by the check of the loop's own turn.
        if index + 1 < text.count, text[index + 1] != 0 { index += 1 }
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        guard !isInString else { break }
        depth += 1
        if depth > maxDepth {
          let (line, column) = place(of: index, in: text)
          throw .tooLarge(
            source: source,
            reason: "nested deeper than \(maxDepth) at line \(line), column \(column)")
        }
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        if !isInString { depth -= 1 }
      default:
        break
      }
      index += 1
    }
  }

  /// Line and column, from 1; columns count characters.
  private static func place(of index: Int, in text: Span<UInt8>) -> (line: Int, column: Int) {
    var line = 1
    var column = 1
    for position in 0..<min(index, text.count) {
      let byte = text[position]
      if byte == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return (line, column)
  }

  private static func error(
    _ failure: json_error_t, in text: Span<UInt8>, from textStart: Int, source: String
  ) -> DocumentError {
    var reason = unsafe withUnsafeBytes(of: failure.text) { bytes in
      unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
    var failure = failure
    let code = unsafe json_error_code(&failure)
    if code == json_error_numeric_overflow {
      // `position` counts the bytes read, which end at the number's last.
      let end = min(max(Int(failure.position) + textStart, 0), text.count)
      var first = end
      while first > 0, isNumberByte(text[first - 1]) { first -= 1 }
      let number = (first..<end).map { text[$0] }
      let shown = String(decoding: number.prefix(40), as: UTF8.self)
      reason = "the number \(shown)\(number.count > 40 ? "…" : "") is out of range"
    } else if code == json_error_duplicate_key {
      reason = "duplicate key" + (reason.split(separator: "near").dropFirst().first ?? "")
    }
    return .syntax(
      source: source, line: max(Int(failure.line), 1), column: max(Int(failure.column), 1),
      reason: reason)
  }

  private static func isNumberByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
      UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
      true
    default: false
    }
  }

  /// Recursion as deep as the text, which `check` has bounded.
  private static func value(of json: UnsafeMutablePointer<json_t>) -> DocumentValue {
    switch unsafe json.pointee.type {
    case JSON_OBJECT:
      var object = DocumentObject()
      var position = unsafe json_object_iter(json)
      while let current = unsafe position {
        if let key = unsafe json_object_iter_key(current),
          let member = unsafe json_object_iter_value(current)
        {
          let bytes = unsafe UnsafeRawBufferPointer(
            start: key, count: json_object_iter_key_len(current))
          unsafe object[String(decoding: bytes, as: UTF8.self)] = value(of: member)
        }
        unsafe position = json_object_iter_next(json, current)
      }
      return .object(object)
    case JSON_ARRAY:
      var elements: [DocumentValue] = []
      let count = unsafe json_array_size(json)
      elements.reserveCapacity(count)
      for index in 0..<count {
        if let element = unsafe json_array_get(json, index) {
          unsafe elements.append(value(of: element))
        }
      }
      return .array(elements)
    case JSON_STRING:
      let bytes = unsafe UnsafeRawBufferPointer(
        start: json_string_value(json), count: json_string_length(json))
      return unsafe .string(String(decoding: bytes, as: UTF8.self))
    case JSON_INTEGER:
      return unsafe .integer(Int64(json_integer_value(json)))
    case JSON_REAL:
      return unsafe .double(json_real_value(json))
    case JSON_TRUE:
      return .bool(true)
    case JSON_FALSE:
      return .bool(false)
    default:
      return .null
    }
  }
}

/// How much memory Jansson may still take for the text that this thread is reading.
private struct JSONBudget {
  var remaining: Int
  var isExhausted = false

  init(remaining: Int) { self.remaining = remaining }

  static let key: pthread_key_t = {
    var key = pthread_key_t()
    let status = unsafe pthread_key_create(&key, nil)
    precondition(status == 0, "pthread_key_create failed with \(status)")
    return key
  }()

  static var current: UnsafeMutablePointer<JSONBudget>? {
    unsafe pthread_getspecific(key)?.assumingMemoryBound(to: JSONBudget.self)
  }

  static func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
    guard let budget = unsafe current else { return unsafe malloc(size) }
    guard unsafe size <= budget.pointee.remaining, let block = unsafe malloc(size) else {
      unsafe budget.pointee.isExhausted = true
      return nil
    }
    unsafe budget.pointee.remaining -= Int(malloc_usable_size(block))
    return unsafe block
  }

  static func free(_ block: UnsafeMutableRawPointer?) {
    if let budget = unsafe current, let block = unsafe block {
      unsafe budget.pointee.remaining += Int(malloc_usable_size(block))
    }
    unsafe Glibc.free(block)
  }
}
