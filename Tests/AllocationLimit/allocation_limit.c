#define _GNU_SOURCE
#include "allocation_limit.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>

// A program that links this has these functions in place of the C library's: what each thread
// allocates and frees is counted block by block, whichever heap the library takes it from, and
// what other threads do meanwhile is no part of it. Memory that is set aside and never touched
// counts as if it were.

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static _Thread_local bool is_limited;
// More than the limit when blocks of before it are freed.
static _Thread_local size_t bytes_left;

void swerve_limit_allocation(size_t bytes) {
  bytes_left = bytes;
  is_limited = true;
}

void swerve_lift_allocation_limit(void) { is_limited = false; }

static void *none(void) {
  errno = ENOMEM;
  return NULL;
}

static bool is_too_much(size_t size) { return is_limited && size > bytes_left; }

/// The block, counted with what the library rounds it up to, or none.
static void *counted(void *block) {
  if (!is_limited || block == NULL) return block;
  size_t size = malloc_usable_size(block);
  if (size > bytes_left) {
    __libc_free(block);
    return none();
  }
  bytes_left -= size;
  return block;
}

void *malloc(size_t size) {
  return is_too_much(size) ? none() : counted(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  size_t all;
  if (__builtin_mul_overflow(count, size, &all) || is_too_much(all)) return none();
  return counted(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
  if (!is_limited) return __libc_realloc(block, size);
  size_t before = block == NULL ? 0 : malloc_usable_size(block);
  // Both at once, while one is copied to the other.
  if (size > before && is_too_much(size)) return none();
  void *after = __libc_realloc(block, size);
  if (after == NULL && size > 0) return NULL;
  size_t now = after == NULL ? 0 : malloc_usable_size(after);
  // The rounding is no reason to fail: the old block is gone.
  bytes_left = now > bytes_left + before ? 0 : bytes_left + before - now;
  return after;
}

void *memalign(size_t alignment, size_t size) {
  return is_too_much(size) ? none() : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **place, size_t alignment, size_t size) {
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) {
    return EINVAL;
  }
  int before = errno;
  void *block = memalign(alignment, size);
  errno = before;
  if (block == NULL) return ENOMEM;
  *place = block;
  return 0;
}

void free(void *block) {
  if (is_limited && block != NULL) bytes_left += malloc_usable_size(block);
  __libc_free(block);
}
