#if canImport(Glibc)
  import Glibc
#endif

/// Gives other threads at least so much time.
///
/// One long sleep ends on time though the host took the CPUs meanwhile and nobody else ran either:
/// of many short ones it takes one.
package func pause(milliseconds: Int) {
  for _ in 0..<milliseconds { usleep(1000) }
}
