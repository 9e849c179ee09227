package import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A model file mapped into memory, read only. Unmapped with the last reference.
///
/// Only files that the gateway owns are mapped: one truncated underneath would be SIGBUS.
package final class ModelFile: @unchecked Sendable {
  package let path: String
  private let mapping: UnsafeRawBufferPointer

  package init(path: String) throws(ModelFormatError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadable(path: path, reason: "not a regular file")
    }
    self.path = path
    let size = Int(status.st_size)
    guard size > 0 else {
      throw .unreadable(path: path, reason: "the file is empty")
    }
    guard
      let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), memory != MAP_FAILED
    else {
      throw .unreadable(path: path, reason: String(cString: strerror(errno)))
    }
    mapping = UnsafeRawBufferPointer(start: memory, count: size)
  }

  deinit {
    munmap(UnsafeMutableRawPointer(mutating: mapping.baseAddress), mapping.count)
  }

  package var bytes: RawSpan {
    @_lifetime(borrow self)
    get { _overrideLifetime(mapping.bytes, borrowing: self) }
  }

  package var count: Int { mapping.count }

  /// A tensor buffer over `range` of the file, which stays mapped as long as the buffer lives.
  package func buffer(_ range: Range<Int>, elementSize: Int) -> TensorBuffer {
    TensorBuffer(
      borrowing: UnsafeRawBufferPointer(rebasing: mapping[range]), elementSize: elementSize,
      owner: self)
  }
}
