#if canImport(Glibc)
  import Glibc
#endif

/// Gives other threads at least so much time.
///
/// One long sleep ends on time though the host took the CPUs meanwhile and nobody else ran either: of
/// several short ones it takes one. Not of very many: each ends a little late on a busy CPU.
package func pause(milliseconds: Int) {
  for _ in 0..<(milliseconds / 10) { usleep(10_000) }
  if milliseconds % 10 > 0 { usleep(UInt32(milliseconds % 10) * 1000) }
}
