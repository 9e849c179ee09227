import CMicroHTTPD
import Glibc

/// The ceiling of the load test: libmicrohttpd with a handler that collects the body and answers
/// a constant. What the gateway adds is measured against this.
///
/// `bare-handler --port P --threads N --response-bytes N [--suspend]`; with `--suspend` each
/// request is suspended once and resumed from another thread.
@main struct BareHandler {
  static func main() {
    let settings = Settings(CommandLine.arguments)
    let listener = listen(port: settings.port)
    let context = Unmanaged.passRetained(settings).toOpaque()
    let completes: MHD_RequestCompletedCallback = completed
    var options = [
      MHD_OptionItem(option: .LISTEN_SOCKET, value: Int(listener), ptr_value: nil),
      MHD_OptionItem(
        option: .NOTIFY_COMPLETED, value: unsafeBitCast(completes, to: Int.self), ptr_value: nil),
      MHD_OptionItem(option: .CONNECTION_MEMORY_LIMIT, value: 16 * 1024, ptr_value: nil),
    ]
    if settings.threads > 1 {
      options.append(
        MHD_OptionItem(option: .THREAD_POOL_SIZE, value: settings.threads, ptr_value: nil))
    }
    options.append(MHD_OptionItem(option: .END, value: 0, ptr_value: nil))
    let flags = MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue
    guard swerve_start_daemon(UInt32(flags), 0, access, context, &options) != nil else {
      end("libmicrohttpd does not start", status: 1)
    }
    if settings.suspends { settings.resumer.start() }
    print("listening on 127.0.0.1:\(settings.port)")
    fflush(nil)
    while true { pause() }
  }

  private static func listen(port: UInt16) -> Int32 {
    let listener = socket(
      AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    var one: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let bound = withUnsafeBytes(of: &address) {
      bind(listener, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
    }
    guard bound == 0, Glibc.listen(listener, 1024) == 0 else {
      end("cannot listen on port \(port): \(String(cString: strerror(errno)))", status: 1)
    }
    return listener
  }
}

/// The command line, and the answer it asks for.
final class Settings {
  var port: UInt16 = 8090
  var threads = 1
  var suspends = false
  let response: OpaquePointer
  let resumer = Resumer()

  init(_ arguments: [String]) {
    var responseBytes = 16
    var index = 1
    func number() -> Int {
      index += 1
      guard index < arguments.count, let number = Int(arguments[index]), number >= 0 else {
        end("\(arguments[index - 1]) takes a number", status: 2)
      }
      return number
    }
    while index < arguments.count {
      switch arguments[index] {
      case "--port": port = UInt16(clamping: number())
      case "--threads": threads = number()
      case "--response-bytes": responseBytes = number()
      case "--suspend": suspends = true
      default: end("unknown option \(arguments[index])", status: 2)
      }
      index += 1
    }
    var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: responseBytes)
    guard let response = MHD_create_response_from_buffer(bytes.count, &bytes, .RESPMEM_MUST_COPY)
    else { end("libmicrohttpd makes no response of \(responseBytes) bytes", status: 1) }
    self.response = response
    MHD_add_response_header(response, "Content-Type", "application/json")
  }
}

/// One request's body.
final class Request {
  var body: [UInt8] = []
  var isSuspended = false
}

/// Resumes connections in the order they were suspended, on a thread of its own.
final class Resumer: @unchecked Sendable {
  private var waiting: [OpaquePointer] = []
  private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

  init() {
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(condition, nil)
  }

  func add(_ connection: OpaquePointer) {
    pthread_mutex_lock(mutex)
    waiting.append(connection)
    pthread_cond_signal(condition)
    pthread_mutex_unlock(mutex)
  }

  func start() {
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        Unmanaged<Resumer>.fromOpaque(argument).takeUnretainedValue().run()
        return nil
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  private func run() {
    var taken: [OpaquePointer] = []
    while true {
      pthread_mutex_lock(mutex)
      while waiting.isEmpty { pthread_cond_wait(condition, mutex) }
      swap(&taken, &waiting)
      pthread_mutex_unlock(mutex)
      for connection in taken { MHD_resume_connection(connection) }
      taken.removeAll(keepingCapacity: true)
    }
  }
}

func access(
  cls: UnsafeMutableRawPointer?, connection: OpaquePointer?, url: UnsafePointer<CChar>?,
  method: UnsafePointer<CChar>?, version: UnsafePointer<CChar>?, piece: UnsafePointer<CChar>?,
  pieceSize: UnsafeMutablePointer<Int>?, context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let cls, let connection, let pieceSize, let context else { return .NO }
  guard let retained = context.pointee else {
    context.pointee = Unmanaged.passRetained(Request()).toOpaque()
    return .YES
  }
  let request = Unmanaged<Request>.fromOpaque(retained).takeUnretainedValue()
  if pieceSize.pointee > 0 {
    request.body.append(
      contentsOf: UnsafeRawBufferPointer(start: piece, count: pieceSize.pointee))
    pieceSize.pointee = 0
    return .YES
  }
  let settings = Unmanaged<Settings>.fromOpaque(cls).takeUnretainedValue()
  if settings.suspends && !request.isSuspended {
    request.isSuspended = true
    MHD_suspend_connection(connection)
    settings.resumer.add(connection)
    return .YES
  }
  return MHD_queue_response(connection, 200, settings.response)
}

func completed(
  cls: UnsafeMutableRawPointer?, connection: OpaquePointer?,
  context: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, code: MHD_RequestTerminationCode
) {
  guard let retained = context?.pointee else { return }
  Unmanaged<Request>.fromOpaque(retained).release()
  context?.pointee = nil
}

/// - Parameter status: 2 where the command line is wrong.
private func end(_ reason: String, status: Int32) -> Never {
  let line = Array("bare-handler: \(reason)\n".utf8)
  _ = write(STDERR_FILENO, line, line.count)
  exit(status)
}
