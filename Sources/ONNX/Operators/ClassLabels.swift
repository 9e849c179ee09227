import Executors
import Tensors

/// The names of a classifier's classes, strings or int64.
struct ClassLabels: Sendable {
  let tensor: Tensor
  var count: Int { tensor.shape.elementCount }

  /// - Parameter integers: The attribute's name, which differs between operators.
  init(integers: String, in context: inout NodeContext) throws(ModelFormatError) {
    let strings = try context.strings("classlabels_strings") ?? []
    let numbers = try context.integers(integers) ?? []
    guard strings.isEmpty || numbers.isEmpty, !strings.isEmpty || !numbers.isEmpty else {
      throw context.malformed("it has no class labels, or two kinds of them")
    }
    tensor =
      strings.isEmpty
      ? Tensor(numbers.map { Int64($0) }, shape: Shape(numbers.count))
      : Tensor(strings: ByteStrings(strings), shape: Shape(strings.count))
  }

  /// What a row's label is.
  enum Choice {
    /// The label at this place.
    case place(Int)
    /// This number where labels are numbers; where they are strings, the label at this place.
    case number(Int)
  }
}

/// Collects the labels of rows.
struct LabelWriter {
  private let labels: Tensor
  private let shape: Shape
  private var numbers: [Int64] = []
  private var text = ByteStrings()

  init(_ labels: ClassLabels, shape: Shape) {
    self.labels = labels.tensor
    self.shape = shape
    if labels.tensor.elementType != .string { numbers.reserveCapacity(shape.elementCount) }
  }

  mutating func append(_ choice: ClassLabels.Choice) {
    switch (choice, labels.elementType) {
    case (.place(let place), .string), (.number(let place), .string):
      text.append(labels.strings[place])
    case (.place(let place), _):
      numbers.append(LabelWriter.number(at: place, of: labels))
    case (.number(let number), _):
      numbers.append(Int64(number))
    }
  }

  private static func number(at place: Int, of labels: Tensor) -> Int64 {
    let values = labels.values(as: Int64.self)
    return values[place]
  }

  func finish() -> Tensor {
    labels.elementType == .string
      ? Tensor(strings: text, shape: shape) : Tensor(numbers, shape: shape)
  }
}

extension ONNXScratch {
  /// A writer for the labels of `rows` rows.
  func labels(
    _ index: Int, rows: Int, of labels: ClassLabels
  ) throws(OperatorError) -> LabelWriter {
    LabelWriter(labels, shape: try checkedShape([rows]))
  }
}
