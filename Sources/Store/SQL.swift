/// One value of a row or a parameter of a statement.
package enum SQLValue: Sendable, Equatable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
  case blob([UInt8])
}

/// One row of a result, by column name.
package struct SQLRow: Sendable {
  private var columns: [String: SQLValue]
  package init(_ columns: [String: SQLValue]) { self.columns = columns }
  package subscript(column: String) -> SQLValue { columns[column] ?? .null }
  package func text(_ column: String) -> String {
    if case .text(let text) = self[column] { text } else { "" }
  }
  package func integer(_ column: String) -> Int64 {
    if case .integer(let value) = self[column] { value } else { 0 }
  }
  package func blob(_ column: String) -> [UInt8] {
    if case .blob(let bytes) = self[column] { bytes } else { [] }
  }
}

/// What can be done inside one transaction. Not to be kept beyond it.
package protocol SQLTransaction {
  func execute(_ sql: String, _ parameters: [SQLValue]) throws(StoreError)
  func query(_ sql: String, _ parameters: [SQLValue]) throws(StoreError) -> [SQLRow]
}

/// `write` fails by the store, or by what its body threw.
package enum DatabaseFailure<Failure: Error>: Error, CustomStringConvertible {
  case store(StoreError)
  case body(Failure)

  package var description: String {
    switch self {
    case .store(let error): "\(error)"
    case .body(let error): "\(error)"
    }
  }
}

extension DatabaseFailure where Failure == StoreError {
  /// The one error, wherever it came from.
  package var storeError: StoreError {
    switch self {
    case .store(let error), .body(let error): error
    }
  }
}
