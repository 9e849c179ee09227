import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A tensor in a file: a line `float32 2,3`, then its bytes; of strings a length of four bytes
/// before each. `.npy` knows neither strings nor bfloat16.
enum TensorFile {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// Nil where there is no such file.
  static func read(_ path: String) throws -> Tensor? {
    guard let file = fopen(path, "rb") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var block = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = fread(&block, 1, block.count, file)
      if count == 0 { break }
      bytes.append(contentsOf: block[..<count])
    }
    guard let end = bytes.firstIndex(of: UInt8(ascii: "\n")) else {
      throw Failure(description: "\(path) has no first line")
    }
    let words = String(decoding: bytes[..<end], as: UTF8.self).split(
      separator: " ", omittingEmptySubsequences: false)
    guard words.count == 2, let type = ElementType.allCases.first(where: { $0.name == words[0] })
    else { throw Failure(description: "\(path) is of a type unknown here: \(words)") }
    let shape = try Shape(checking: words[1].split(separator: ",").compactMap { Int($0) })
    let data = bytes[(end + 1)...]
    if type == .string {
      var strings = ByteStrings()
      var place = data.startIndex
      for _ in 0..<shape.elementCount {
        let length = (0..<4).reduce(0) { $0 | Int(data[place + $1]) << (8 * $1) }
        strings.append(data[(place + 4)..<(place + 4 + length)])
        place += 4 + length
      }
      return Tensor(strings: strings, shape: shape)
    }
    let buffer = TensorBuffer(byteCount: data.count)
    data.withUnsafeBytes { buffer.bytes.copyMemory(from: $0) }
    return Tensor(type, shape: shape, buffer: buffer)
  }

  static func write(_ tensor: Tensor, _ path: String) throws {
    guard let file = fopen(path, "wb") else {
      throw Failure(description: "\(path) cannot be written")
    }
    defer { fclose(file) }
    let dimensions = tensor.shape.array.map(String.init).joined(separator: ",")
    var bytes = Array("\(tensor.elementType.name) \(dimensions)\n".utf8)
    if tensor.elementType == .string {
      let strings = tensor.strings
      for index in 0..<strings.count {
        let element = strings[index]
        for byte in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: element.count >> (8 * byte))) }
        bytes.append(contentsOf: element)
      }
    } else {
      tensor.bytes.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
    fwrite(bytes, 1, bytes.count, file)
  }
}
