// Linux system calls that Swift's Glibc module does not show: `syscall` is variadic, and the
// wrappers glibc has are hidden behind _GNU_SOURCE. (<fcntl.h> stays out: `struct stat` would then
// seem to Swift to be this module's.)
#include <linux/mman.h>
#include <linux/openat2.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/// `openat2(2)` that never leaves `folder`: no `..`, absolute path or symbolic link out of it, and
/// no link of /proc. Returns a descriptor, or -1 with errno (EXDEV: the path leads out).
static inline int swerve_open_beneath(int folder, const char *path, int flags) {
  struct open_how how = {
      .flags = (unsigned int)flags,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  };
  return (int)syscall(SYS_openat2, folder, path, &how, sizeof how);
}

/// `renameat2(2)` with RENAME_NOREPLACE: EEXIST when `target` is there.
static inline int swerve_rename_new(const char *path, const char *target) {
  return (int)syscall(SYS_renameat2, -100 /* AT_FDCWD */, path, -100, target, 1 /* RENAME_NOREPLACE */);
}

/// The same below open folders, whose paths may have come to mean something else meanwhile.
static inline int swerve_rename_new_at(
    int folder, const char *name, int target_folder, const char *target) {
  return (int)syscall(SYS_renameat2, folder, name, target_folder, target, 1 /* RENAME_NOREPLACE */);
}

/// `copy_file_range(2)` at both descriptors' positions: in the kernel, sharing blocks where the
/// file system can.
static inline ssize_t swerve_copy_file_range(int from, int to, size_t count) {
  return syscall(SYS_copy_file_range, from, NULL, to, NULL, count, 0);
}

/// `accept4(2)` of a socket that does not block and is not inherited. `address` is a `sockaddr`.
static inline int swerve_accept(int listener, void *address, unsigned int *byte_count) {
  return (int)syscall(
      SYS_accept4, listener, address, byte_count, 04000 | 02000000 /* NONBLOCK | CLOEXEC */);
}

/// `sched_setattr(2)` of the calling thread: SCHED_OTHER at `nice`, in turns of `nanoseconds` where
/// the kernel has such (Linux 6.12 and up; it takes 0.1 ms to 100 ms). Returns 0, or -1 with errno.
static inline int swerve_take_short_turns(int nice, unsigned long long nanoseconds) {
  struct {
    unsigned int size, policy;
    unsigned long long flags;
    int nice;
    unsigned int priority;
    unsigned long long runtime, deadline, period;
  } attributes = {.size = sizeof attributes, .nice = nice, .runtime = nanoseconds};
  return (int)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

/// Zeroed memory of its own pages, for `munmap`; null where there is none.
static inline void *swerve_map_pages(size_t byte_count) {
  void *pages = mmap(NULL, byte_count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return pages == MAP_FAILED ? NULL : pages;
}

/// The same pages and more behind them, perhaps elsewhere; null, and all as it was, where there is
/// no room.
static inline void *swerve_grow_pages(void *pages, size_t byte_count, size_t new_count) {
  // The wrapper of `mremap(2)` is variadic and hidden behind _GNU_SOURCE.
  long moved = syscall(SYS_mremap, pages, byte_count, new_count, MREMAP_MAYMOVE, 0);
  return moved == -1 ? NULL : (void *)moved;
}

/// A small number for the calling thread, from 1 on, given when it first asks.
static inline unsigned int swerve_thread_number(void) {
  static __thread unsigned int number;
  static unsigned int last;
  if (number == 0) number = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
  return number;
}
