internal import Registry

/// A document as it was last applied.
struct AppliedDocument: Sendable, Equatable {
  struct Files: Sendable, Equatable {
    /// The content hash of the package that they made.
    var hash: String
    /// Equal stamp, equal content; nil when it was taken too soon after a change to prove that.
    var stamp: String?
  }

  var content: String
  /// The model files that it names; nil when it names none.
  var files: Files?
}

/// Tells which documents are as they were last applied, the model files they name included: a
/// model that was trained again is a change even where its YAML is the same.
///
/// Files are hashed only when their sizes, times or inodes differ from those that were noted.
struct AppliedDocuments {
  private let known: [DocumentKey: AppliedDocument]
  private let registry: ModelRegistry
  private var stamps: [DocumentKey: SourceStamp] = [:]
  /// Unchanged documents whose files bear a new stamp, so that they are not hashed every time.
  private(set) var restamped: [DocumentKey: AppliedDocument] = [:]

  init(_ known: [DocumentKey: AppliedDocument], registry: ModelRegistry) {
    self.known = known
    self.registry = registry
  }

  var keys: [DocumentKey] { known.keys.sorted { $0.description < $1.description } }

  func hasText(of origin: ApplyInput.Origin) -> Bool {
    known[origin.key]?.content == origin.content
  }

  mutating func isUnchanged(
    _ origin: ApplyInput.Origin, files: ModelRegistration?
  ) throws(ControlError) -> Bool {
    guard hasText(of: origin), let document = known[origin.key] else { return false }
    guard let files else { return true }
    guard let noted = document.files else { return false }
    try noteFiles(files, of: origin.key)
    guard let stamp = stamps[origin.key] else { return false }
    if stamp.text == noted.stamp { return true }
    let hash: String
    do { hash = try registry.contentHash(of: files) } catch { throw .registry(error) }
    guard hash == noted.hash else { return false }
    if stamp.isSettled { restamped[origin.key] = self.document(origin, contentHash: hash) }
    return true
  }

  /// Takes the files' stamp. To be called before they are read, or a change meanwhile is missed.
  mutating func noteFiles(
    _ files: ModelRegistration, of key: DocumentKey
  ) throws(ControlError) {
    do { stamps[key] = try registry.stamp(of: files) } catch { throw .registry(error) }
  }

  /// The document as it is to be stored.
  ///
  /// - Parameter contentHash: Of the version that its files made; nil when it names none.
  func document(_ origin: ApplyInput.Origin, contentHash: String?) -> AppliedDocument {
    var document = AppliedDocument(content: origin.content)
    if let contentHash {
      let stamp = stamps[origin.key].flatMap { $0.isSettled ? $0.text : nil }
      document.files = AppliedDocument.Files(hash: contentHash, stamp: stamp)
    }
    return document
  }
}
