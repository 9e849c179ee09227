internal import Tensors

#if canImport(Glibc)
  internal import Glibc
#endif

/// What the process asks of the system before its first thread.
enum ProcessLimits {
  static func apply() {
    BLAS.useOneThread()
    // Nothing that we write is for others to read unless it says so itself.
    umask(0o077)
    // A client that leaves is an error of `send`, never a signal.
    signal(SIGPIPE, SIG_IGN)
    var files = rlimit()
    if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files) == 0 {
      files.rlim_cur = files.rlim_max
      setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
    }
    // A core file would hold keys and callers' data.
    var core = rlimit(rlim_cur: 0, rlim_max: 0)
    setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &core)
  }
}
