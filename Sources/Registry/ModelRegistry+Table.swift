internal import Documents
internal import Glibc
internal import Store

/// The table `models`.
extension ModelRegistry {
  static func key(_ name: String, _ version: String) -> String { "\(name)/\(version)" }

  static func now() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// True too when the database does not tell: then the files stay until the next start.
  func isOrMayBeCommitted(name: String, version: String) -> Bool {
    do throws(RegistryError) {
      return try existing(name: name, version: version) != nil
    } catch {
      return true
    }
  }

  func notFound(
    _ name: String, _ version: String?
  ) throws(RegistryError) -> RegistryError {
    let versions = try read("WHERE name = ? ORDER BY sequence DESC", [.text(name)])
    if let version, !versions.isEmpty {
      return .notFound(name: name, version: version, known: versions.map(\.version))
    }
    return .notFound(name: name, version: nil, known: try models(.all).map(\.name))
  }

  func read(
    _ condition: String, _ parameters: [SQLValue]
  ) throws(RegistryError) -> [ModelVersion] {
    do throws(StoreError) {
      return try database.read { (transaction) throws(StoreError) in
        try Self.versions(in: transaction, condition, parameters)
      }
    } catch {
      throw .store(error)
    }
  }

  func rows(
    in transaction: any SQLTransaction, _ condition: String, _ parameters: [SQLValue]
  ) throws(RegistryError) -> [ModelVersion] {
    do throws(StoreError) {
      return try Self.versions(in: transaction, condition, parameters)
    } catch {
      throw .store(error)
    }
  }

  static func versions(
    in transaction: any SQLTransaction, _ condition: String, _ parameters: [SQLValue]
  ) throws(StoreError) -> [ModelVersion] {
    var versions: [ModelVersion] = []
    for row in try transaction.query("SELECT * FROM models \(condition)", parameters) {
      versions.append(try ModelVersion(row: row))
    }
    return versions
  }

  func execute(
    _ sql: String, _ parameters: [SQLValue], in transaction: any SQLTransaction
  ) throws(RegistryError) {
    do throws(StoreError) {
      try transaction.execute(sql, parameters)
    } catch {
      throw .store(error)
    }
  }

  func write<Result>(
    _ body: (any SQLTransaction) throws(RegistryError) -> Result
  ) throws(RegistryError) -> Result {
    do throws(DatabaseFailure<RegistryError>) {
      return try database.write(body)
    } catch {
      switch error {
      case .store(let error): throw .store(error)
      case .body(let error): throw error
      }
    }
  }
}
