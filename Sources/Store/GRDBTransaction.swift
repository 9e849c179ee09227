internal import Foundation
internal import GRDB
internal import Glibc

/// A transaction on one of GRDB's connections.
struct GRDBTransaction: SQLTransaction {
  private let connection: GRDB.Database
  private let path: String

  init(_ connection: GRDB.Database, path: String) {
    self.connection = connection
    self.path = path
  }

  func execute(_ sql: String, _ parameters: [SQLValue]) throws(StoreError) {
    do {
      try connection.cachedStatement(sql: sql).execute(arguments: Self.arguments(parameters))
    } catch {
      throw StoreError.database(error, path: path)
    }
  }

  func query(_ sql: String, _ parameters: [SQLValue]) throws(StoreError) -> [SQLRow] {
    do {
      let statement = try connection.cachedStatement(sql: sql)
      let rows = try Row.fetchCursor(statement, arguments: Self.arguments(parameters))
      var results: [SQLRow] = []
      while let row = try rows.next() {
        results.append(
          SQLRow(
            Dictionary(row.map { ($0, SQLValue($1)) }, uniquingKeysWith: { first, _ in first })))
      }
      return results
    } catch {
      throw StoreError.database(error, path: path)
    }
  }

  private static func arguments(
    _ parameters: [SQLValue]
  ) throws(StoreError) -> StatementArguments {
    for case .text(let text) in parameters where text.utf8.contains(0) {
      // GRDB would keep what stands before it.
      throw .unstorable(
        reason: "a text with a NUL character cannot be stored: \(text.debugDescription)")
    }
    return StatementArguments(parameters.map(\.databaseValue))
  }
}

extension SQLValue {
  init(_ value: DatabaseValue) {
    switch value.storage {
    case .null: self = .null
    case .int64(let integer): self = .integer(integer)
    case .double(let real): self = .real(real)
    case .string(let text): self = .text(text)
    case .blob(let data): self = .blob([UInt8](data))
    }
  }

  fileprivate var databaseValue: DatabaseValue {
    switch self {
    case .null: .null
    case .integer(let value): value.databaseValue
    case .real(let value): value.databaseValue
    case .text(let value): value.databaseValue
    case .blob(let bytes): Data(bytes).databaseValue
    }
  }
}

extension StoreError {
  /// An error of SQLite in our words.
  static func database(_ error: any Error, path: String) -> StoreError {
    if let error = error as? StoreError { return error }
    guard let error = error as? DatabaseError else { return .database(reason: "\(error)") }
    switch error.resultCode {
    case .SQLITE_FULL:
      return .noSpace(path: path)
    case .SQLITE_NOTADB, .SQLITE_CORRUPT:
      return .database(
        reason: "\(path) is damaged (\(error.message ?? "no details")); stop the gateway and put "
          + "back a copy of it, such as a swerve.db.before-… beside it")
    default:
      return .database(reason: "\(path): \(error.message ?? "\(error.extendedResultCode)")")
    }
  }

  /// Whether SQLite could not bring bytes to the disk that it had handed to the kernel.
  static func isFailedSync(_ error: any Error) -> Bool {
    guard let error = error as? DatabaseError else { return false }
    return error.extendedResultCode == .SQLITE_IOERR_FSYNC
      || error.extendedResultCode == .SQLITE_IOERR_DIR_FSYNC
  }
}

func pauseBriefly() { usleep(5_000) }
