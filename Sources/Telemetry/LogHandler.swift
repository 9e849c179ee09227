import Logging

/// Brings what libraries say through swift-log onto the gateway's own log.
struct LogHandlerToLog: LogHandler {
  private let label: String
  private let log: Log

  var metadata: Logger.Metadata = [:]
  var logLevel: Logger.Level

  init(label: String, log: Log) {
    self.label = label
    self.log = log
    logLevel =
      switch log.level {
      case .debug: .debug
      case .info: .info
      case .warning: .warning
      case .error: .error
      }
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var all = metadata
    if let added = event.metadata { all.merge(added) { _, new in new } }
    if let error = event.error { all["error"] = "\(error)" }
    log.write(Self.level(event.level), event.message.description) { line in
      line.appendLogMember("label", label)
      if all.isEmpty { return }
      // One object of its own: a library's key cannot stand for one of ours.
      line.append(verbatim: #","metadata":{"#)
      for (index, (key, value)) in all.sorted(by: { $0.key < $1.key }).enumerated() {
        line.append(verbatim: index == 0 ? #"""# : #",""#)
        line.appendLogText(key)
        line.append(verbatim: #"":""#)
        line.appendLogText(value.description)
        line.append(verbatim: "\"")
      }
      line.append(verbatim: "}")
    }
  }

  private static func level(_ level: Logger.Level) -> Log.Level {
    switch level {
    case .trace, .debug: .debug
    case .info, .notice: .info
    case .warning: .warning
    case .error, .critical: .error
    }
  }
}
