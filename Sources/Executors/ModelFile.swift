package import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// A model file mapped into memory, read only. Unmapped with the last reference.
///
/// What is truncated while it is mapped ends the process (SIGBUS). The gateway therefore serves its
/// own copies; only commands that read one model and end (`swerve model check`, `swerve score` of
/// a path) map a file where the user has it.
package final class ModelFile: @unchecked Sendable {
  package let path: String
  private let mapping: UnsafeRawBufferPointer

  package init(path: String) throws(ModelFormatError) {
    // A FIFO would be waited for before it can be told from a file.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw .system(errno, path: path)
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
      throw .system(errno, path: path)
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

  /// Takes the pages that lie whole in `range` off this process's memory. The file is mapped for
  /// reading only: they are the same when they are read again.
  func releasePages(_ range: Range<Int>) {
    let page = Int(getpagesize())
    let first = (range.lowerBound + page - 1) / page * page
    let end = min(range.upperBound, mapping.count) / page * page
    guard first < end, let start = mapping.baseAddress else { return }
    madvise(UnsafeMutableRawPointer(mutating: start + first), end - first, MADV_DONTNEED)
  }

  /// A tensor buffer over `range` of the file, which stays mapped as long as the buffer lives.
  package func buffer(_ range: Range<Int>, elementSize: Int) -> TensorBuffer {
    TensorBuffer(
      borrowing: UnsafeRawBufferPointer(rebasing: mapping[range]), elementSize: elementSize,
      owner: self)
  }
}
