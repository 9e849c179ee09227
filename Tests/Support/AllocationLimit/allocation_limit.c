#define _GNU_SOURCE
#include "allocation_limit.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// The limit is RLIMIT_DATA, which the kernel checks whenever private writable memory grows (brk,
// mmap, mprotect): memory that is set aside and never touched counts, as it does when it is
// touched, and a read-only map of the model file does not. It bounds the peak, not only what is
// left at the end.
//
// The kernel sees the heap grow, not each block: what malloc still holds from earlier loads could
// be allocated again unseen. Large blocks go back to the system as they are freed (the thresholds),
// the rest is trimmed, holes are filled, and what is free in the heap even then (mallinfo2) is taken
// off the limit, as is the most that a thread's cache can hold: that cache passes for allocated.

// Seven blocks in each of 64 bins, of 24, 40, … 1032 bytes.
static const size_t most_in_thread_cache = 7 * 64 * (24 + 1032) / 2;

static struct rlimit before;

// `VmData` of /proc/self/status: what RLIMIT_DATA is compared with. 0 when it cannot be read.
static size_t writable_memory(void) {
  char text[8192];
  int file = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  if (count <= 0) return 0;
  text[count] = 0;
  const char *line = strstr(text, "VmData:");
  return line ? strtoull(line + strlen("VmData:"), NULL, 10) << 10 : 0;
}

// Takes what is free inside the heap for the rest of the process's life, large holes first.
static void fill_holes(void) {
  // Or the compiler would leave the allocations out.
  static void *volatile held;
  for (size_t size = 16 << 10; size >= 256; size /= 2) {
    while (1) {
      size_t arena = mallinfo2().arena;
      void *block = malloc(size);
      held = block;
      if (block == NULL) break;
      if (mallinfo2().arena > arena) {
        free(block);
        malloc_trim(0);
        break;
      }
    }
  }
}

int swerve_limit_allocation(size_t bytes) {
  mallopt(M_MMAP_THRESHOLD, 32 << 10);
  mallopt(M_TRIM_THRESHOLD, 32 << 10);
  mallopt(M_TOP_PAD, 0);
  malloc_trim(0);
  if (mallinfo2().fordblks > 128 << 10) fill_holes();
  size_t unseen = mallinfo2().fordblks + most_in_thread_cache;
  size_t now = writable_memory();
  if (now == 0 || unseen > bytes || getrlimit(RLIMIT_DATA, &before) != 0) return -1;
  struct rlimit limit = before;
  limit.rlim_cur = now + bytes - unseen;
  return setrlimit(RLIMIT_DATA, &limit);
}

void swerve_lift_allocation_limit(void) { setrlimit(RLIMIT_DATA, &before); }
