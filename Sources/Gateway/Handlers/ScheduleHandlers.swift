internal import Documents
internal import HTTP
internal import Serving

extension AdminHandler {
  func schedules(_ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let records = try armControl { () throws(ControlError) in try control.schedules() }
    return .document(status: 200, ["value": .array(records.map(Self.body))])
  }

  func schedule(of endpoint: String, _ request: AdminRequest) throws(ARMError) -> HTTPResponse {
    guard request.method == .get else { throw request.notAllowed("GET") }
    let record = try armControl { () throws(ControlError) in try control.schedule(of: endpoint) }
    return .document(status: 200, Self.body(record))
  }

  func pauseSchedule(
    of endpoint: String, _ flag: Bool, _ request: AdminRequest
  ) throws(ARMError) -> HTTPResponse {
    guard request.method == .post else { throw request.notAllowed("POST") }
    let record = try armControl { () throws(ControlError) in
      try control.setSchedulePaused(flag, of: endpoint, by: request.actor)
      return try control.schedule(of: endpoint)
    }
    return .document(status: 200, Self.body(record))
  }

  private static func body(_ record: ScheduleRecord) -> DocumentValue {
    var body = DocumentObject([
      "endpoint": .string(record.endpoint), "paused": .bool(record.isPaused),
    ])
    if !record.isPaused {
      body["nextRun"] = record.nextRun.map { .string(ISOTime.text(milliseconds: $0 * 1000)) }
    }
    body["lastJob"] = record.lastJob.map { .string($0) }
    body["lastError"] = record.lastError.map { .string($0) }
    body["schedule"] = record.schedule.value
    return .object(body)
  }
}
