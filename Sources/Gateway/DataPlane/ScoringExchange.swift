internal import Compression
internal import HTTP
internal import Serving

/// One request of the data plane from its head to its last byte, as the handler sees it: the
/// `context` of its `HTTPExchange`.
final class ScoringExchange: ScoringCaller, @unchecked Sendable {
  // `@unchecked`: set up by the server's thread before `score` hands it on; `outcome` is written
  // before the answer and read after it.
  let requestID: RequestIdentifier
  let clientRequestID: String?
  let endpoint: EndpointRoute
  let pinned: String?
  let form: AnswerForm
  /// How the body is compressed; nil: not at all.
  let coding: ContentCoding?
  /// How the caller would like a long answer compressed.
  let answerCoding: ContentCoding?
  /// The client whose quota the request counts in; nil: the endpoint's own key.
  var client: ClientKey?
  /// Bytes of the body that its quota has paid for already.
  var paidBytes = 0
  private(set) var outcome: ScoringOutcome?
  /// The body without its coding, once it is needed.
  private var unpacked: UnpackedBody?
  /// Let go in `ended`: the exchange holds this object as its context.
  private let exchange: HTTPExchange
  /// Outlives the server and so every exchange.
  private unowned(unsafe) let handler: DataPlaneHandler

  init(
    _ exchange: HTTPExchange, handler: DataPlaneHandler, requestID: RequestIdentifier,
    clientRequestID: String?, endpoint: EndpointRoute, pinned: String?, form: AnswerForm,
    coding: ContentCoding? = nil, answerCoding: ContentCoding? = nil
  ) {
    self.exchange = exchange
    self.handler = handler
    self.requestID = requestID
    self.clientRequestID = clientRequestID
    self.endpoint = endpoint
    self.pinned = pinned
    self.form = form
    self.coding = coding
    self.answerCoding = answerCoding
  }

  /// Counts in a client's quota, which has paid for the body's declared length.
  func take(_ client: ClientKey) {
    self.client = client
    paidBytes = exchange.declaredBodyByteCount ?? 0
  }

  var body: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      if let unpacked {
        // Written once, before anybody reads the body; `self` holds it from then on.
        return _overrideLifetime(unpacked.span, borrowing: self)
      }
      let exchange = exchange
      // `self` holds the exchange as long as it lives.
      return _overrideLifetime(exchange.body, borrowing: self)
    }
  }

  var hasLeft: Bool { exchange.clientHasLeft }

  /// When the body was whole.
  var arrived: UInt64 { exchange.bodyTime }

  /// gzip ends in the size of what it holds; zlib does not tell, and numbers as text pack four to
  /// one. A false size gains nothing: unpacking checks it.
  var expectedByteCount: Int {
    let exchange = exchange
    let packed = exchange.body
    guard let coding else { return packed.count }
    let most = min(
      ContentCoding.maxBytes(ofPacked: packed.count), handler.settings.maxBodyBytes)
    var expected = packed.count &* 4
    if coding == .gzip, packed.count >= 4 {
      expected = 0
      for offset in 1...4 { expected = expected << 8 | Int(packed[packed.count - offset]) }
    }
    return max(packed.count, min(expected, most))
  }

  func unpack() throws(ScoringError) {
    guard let coding else { return }
    let exchange = exchange
    let packedByteCount = exchange.body.count
    let bytes = try Self.unpacked(
      exchange.body, coding, maxBytes: handler.settings.maxBodyBytes)
    // A quota is of what is read, not of what it takes on the wire; that part is paid for.
    client?.take(bodyByteCount: max(0, bytes.count - packedByteCount))
    unpacked = UnpackedBody(bytes)
  }

  func discardUnpacked() { unpacked = nil }

  private static func unpacked(
    _ body: Span<UInt8>, _ coding: ContentCoding, maxBytes: Int
  ) throws(ScoringError) -> [UInt8] {
    do throws(CompressionError) {
      return try coding.decompressed(body, maxBytes: maxBytes)
    } catch {
      switch error {
      case .tooLarge(let limit): throw .bodyTooLarge(limit: limit)
      case .amplified: throw .amplified("\(error)")
      case .malformed, .truncated, .noMemory: throw .unpackable("\(error)")
      }
    }
  }

  func suspend() { exchange.suspend() }

  /// After the answer's last byte: a mirror delays nobody. Only what has run is copied, or was read
  /// to be run, so that a gateway under pressure gets no more of it. The last word on the exchange:
  /// it has no body then.
  func offerToMirror(_ service: ScoringService) {
    guard endpoint.mirror != nil, let outcome, outcome.deployment != nil else { return }
    guard Self.isMirrored(outcome) else { return }
    service.mirror(endpoint, pinned: pinned != nil, bodyByteCount: exchange.bodyByteCount) {
      let exchange = exchange
      let body: any MirrorBody =
        exchange.bodyByteCount <= Self.maxCopiedBytes
        ? CopiedBody(exchange.body.withUnsafeBufferPointer { Array($0) }) : exchange.takeBody()
      var unpack: MirrorCopy.Unpack?
      if let coding {
        let maxBytes = handler.settings.maxBodyBytes
        unpack = { (body) throws(ScoringError) in
          try Self.unpacked(body, coding, maxBytes: maxBytes)
        }
      }
      return MirrorCopy(body: body, form: form, requestID: requestID.text, unpack: unpack)
    }
  }

  /// Whether a request has got as far as the model.
  static func isMirrored(_ outcome: ScoringOutcome) -> Bool {
    switch outcome.result {
    case .success: true
    case .failure: outcome.times.decode > 0
    }
  }

  /// What a connection keeps for its next body anyway.
  private static let maxCopiedBytes = 4096

  func answer(_ outcome: ScoringOutcome) {
    var outcome = outcome
    let response = handler.response(to: self, &outcome)
    let told = outcome
    // A late answer, after the server has given one in our place, leaves nothing behind: the
    // server's thread may be reading it.
    exchange.respond(response) { self.outcome = told }
  }
}

/// Holds decompressed bytes where they do not move.
private final class UnpackedBody: Sendable {
  private let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var span: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      let bytes = bytes
      return _overrideLifetime(bytes.span, borrowing: self)
    }
  }
}

/// What is known of a request that was answered without scoring, for its log line.
final class PlainExchange: Sendable {
  let requestID: RequestIdentifier
  let clientRequestID: String?
  /// Empty when the path names no endpoint that exists.
  let endpointName: String
  /// Health and metrics: not counted as scoring, logged at `debug`.
  let isOperational: Bool
  let error: ErrorResponse?
  /// The client that was refused for its quota.
  let client: ClientKey?
  /// Who has loaded or unloaded a model: such a request is logged as what it is.
  let administrator: Actor?
  let response: HTTPResponse

  init(
    requestID: RequestIdentifier, clientRequestID: String?, endpointName: String,
    isOperational: Bool, error: ErrorResponse?, response: HTTPResponse, client: ClientKey? = nil,
    administrator: Actor? = nil
  ) {
    self.requestID = requestID
    self.clientRequestID = clientRequestID
    self.endpointName = endpointName
    self.isOperational = isOperational
    self.error = error
    self.response = response
    self.client = client
    self.administrator = administrator
  }
}

extension HTTPBody: MirrorBody {}
