package import Tensors

/// What a model takes and what it gives, by name.
package struct ModelSignature: Sendable, Equatable {
  package var inputs: [ModelInput]
  package var outputs: [ModelOutput]
  /// Parameters that a request may carry beside its rows (an MLflow signature); nil where
  /// nobody says what they are, and they are passed over.
  package var parameters: [ModelParameter]?

  package init(inputs: [ModelInput], outputs: [ModelOutput]) {
    self.inputs = inputs
    self.outputs = outputs
  }

  /// The indices of the outputs that a request gets when it names none.
  package var defaultOutputs: [Int] { outputs.indices.filter { outputs[$0].isDefault } }

  package func inputIndex(named name: String) -> Int? { inputs.firstIndex { $0.name == name } }
  package func outputIndex(named name: String) -> Int? { outputs.firstIndex { $0.name == name } }
}

/// One tensor that a model takes.
package struct ModelInput: Sendable, Equatable {
  package var name: String
  package var elementType: ElementType
  /// One entry a dimension; nil where any size fits. The first is the row when it is nil.
  package var shape: [Int?]
  /// What the model calls its free dimensions, up to the last that has a name: those of one name
  /// are of one size.
  package var dimensionNames: [String?] = []
  /// The names of the columns of a two-dimensional input, in the model's order; nil when the
  /// model has no names. A column name of a table is looked up here.
  package var columns: [String]?
  /// The categories of columns that have names for theirs, by column; the tensor holds codes.
  package var categories: [Int: ColumnCategories]
  /// What values of each column must be, in the order of `columns`, where a signature is
  /// stricter than the tensor's type; nil where none is.
  package var columnRules: [ColumnRule]?
  /// Columns, by their place in `columns`, that a request may leave out: missing then.
  package var optionalColumns: Set<Int> = []
  /// False when a request may leave it out (an ONNX input with an initializer).
  package var isRequired: Bool

  package init(
    name: String, elementType: ElementType, shape: [Int?], columns: [String]? = nil,
    categories: [Int: ColumnCategories] = [:], isRequired: Bool = true
  ) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    self.columns = columns
    self.categories = categories
    self.isRequired = isRequired
  }

  /// Whether a tensor of `shape` fits.
  package func accepts(_ shape: Shape) -> Bool {
    guard shape.rank == self.shape.count else { return false }
    for axis in 0..<shape.rank {
      if let size = self.shape[axis], size != shape[axis] { return false }
    }
    return true
  }
}

/// What the values of a table's column must be, whatever the tensor's type could hold.
package enum ColumnRule: Sendable, Equatable {
  /// Any number, or nothing.
  case number
  /// A whole number of so many bits; never missing.
  case integer(bits: Int)
  /// true, false, 1 or 0; never missing.
  case boolean
}

/// A value that a request may carry beside its rows.
package struct ModelParameter: Sendable, Equatable {
  package enum Kind: Sendable {
    case boolean, integer, number, text
    /// Not looked into.
    case other
  }

  package var name: String
  package var kind: Kind
  /// Whether it is a list of such values.
  package var isList: Bool
  /// What the signature calls the type.
  package var typeName: String

  package init(name: String, kind: Kind, isList: Bool = false, typeName: String) {
    self.name = name
    self.kind = kind
    self.isList = isList
    self.typeName = typeName
  }
}

/// One value that a model gives.
package struct ModelOutput: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    /// A tensor; nil dimensions are not known before the model runs.
    case tensor(ElementType, shape: [Int?])
    /// One map a row (ONNX ZipMap): keys are `string` or `int64`.
    case maps(keys: ElementType, values: ElementType)
  }

  package var name: String
  package var kind: Kind
  /// False for an output that is given only when asked for by name (`margin`, `leaf`).
  package var isDefault: Bool

  package init(name: String, kind: Kind, isDefault: Bool = true) {
    self.name = name
    self.kind = kind
    self.isDefault = isDefault
  }

  /// Values that a row has; nil where that is not known before the model runs.
  package var rowWidth: Int? {
    guard case .tensor(_, let shape) = kind else { return nil }
    return shape.dropFirst().reduce(1) { product, dimension in
      guard let product, let dimension else { return nil }
      let (width, overflows) = product.multipliedReportingOverflow(by: dimension)
      return overflows ? nil : width
    }
  }
}

/// What a model gave for one output.
package enum ModelValue: Sendable {
  case tensor(Tensor)
  /// One map a row: `keys` has shape `(k)` (`string` or `int64`), `values` shape `(rows, k)`.
  case maps(keys: Tensor, values: Tensor)
}
