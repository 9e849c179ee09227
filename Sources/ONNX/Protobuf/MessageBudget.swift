package import Executors

/// What the messages of a file may take in memory while they are read.
///
/// An empty message takes two bytes in a file and some tens of times that here. Each takes its
/// size, and that of the strings and numbers it holds, before there is memory for it. Lists make
/// room for what they will hold first, or growing they would take three times that.
package final class MessageBudget {
  package static let factor = 4
  package static let floor = 1 << 20
  /// What an array or a long string takes beside its elements.
  static let blockBytes = 32

  private let mostBytes: Int
  private var leftBytes: Int

  package init(fileBytes: Int) {
    let (most, overflows) = fileBytes.multipliedReportingOverflow(by: MessageBudget.factor)
    mostBytes = overflows || most > .max - MessageBudget.floor ? .max : most + MessageBudget.floor
    leftBytes = mostBytes
  }

  package func take(_ byteCount: Int) throws(ModelFormatError) {
    guard byteCount <= leftBytes else {
      throw .unsupported(
        format: "ONNX",
        what: "its messages take more than the \(mostBytes) bytes in memory that a file of this "
          + "size may take",
        advice: "nearly all of them are empty, which no exporter writes")
    }
    leftBytes -= byteCount
  }
}

/// The bytes of a file whose messages are read, and what they may take.
package struct MessageSource: ~Escapable {
  package let bytes: RawSpan
  package let budget: MessageBudget

  @_lifetime(copy bytes)
  package init(_ bytes: RawSpan) {
    self.bytes = bytes
    budget = MessageBudget(fileBytes: bytes.byteCount)
  }
}
