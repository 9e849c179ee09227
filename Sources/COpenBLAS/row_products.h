// Matrix products whose rows do not know of each other: out += a · b, all row-major.
//
// C, because Swift compiles for the oldest x86-64, where a fused multiply-add is a library
// call, and has no way to compile one function for a newer CPU.
//
// Each element of `out` is the same chain of operations whatever the number of rows, its own
// place and the width of the vectors: fused multiply-adds over k, in order, inside blocks of
// SWERVE_BLOCK; each block's sum is added to what stands in `out`. So a row has the same bits
// alone and in any batch, and on every CPU. OpenBLAS's gemm does not give that: it changes its
// path, and with it the order of the sums, with the number of rows.
//
// `a` and `b` may lie anywhere: weights are used where they stand in a mapped file, which puts them
// at any byte. They are read by vector loads that ask for no alignment, and by memcpy.
#pragma once

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SWERVE_BLOCK 320
// Elements of weights that are fetched before they are needed: the first-level caches have fewer.
#define SWERVE_FETCHED (1 << 15)
// Bytes of weights that no cache of one core holds beside everything else.
#define SWERVE_LARGE (3 << 19)
// How many rows ahead; and, along weights that stand as (n, k), how many elements.
#define SWERVE_AHEAD 8
#define SWERVE_RUN 64
// What a tile fetches of the weights that are next: all, or its share.
#define SWERVE_WHOLE 1
#define SWERVE_SHARE 2

#if defined(__x86_64__)

// Squares of weights turned in registers, (n, k) to (k, n).
#define SWERVE_INLINE(target_) static inline __attribute__((target(target_), always_inline, unused))

SWERVE_INLINE("avx2,fma") void swerve_turn_8(const float *from, ptrdiff_t step, __m256 *to) {
  __m256 row[8], pair[8], four[8];
  _Pragma("unroll") for (int i = 0; i < 8; i++) row[i] = _mm256_loadu_ps(from + i * step);
  _Pragma("unroll") for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  _Pragma("unroll") for (int i = 0; i < 8; i += 4) {
    four[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    four[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xEE);
    four[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    four[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xEE);
  }
  _Pragma("unroll") for (int i = 0; i < 4; i++) {
    to[i] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x20);
    to[i + 4] = _mm256_permute2f128_ps(four[i], four[i + 4], 0x31);
  }
}

SWERVE_INLINE("avx512f,fma") void swerve_turn_16(const float *from, ptrdiff_t step, __m512 *to) {
  // Squares of four by four within each lane of four, then the lanes.
  __m512 part[16];
  _Pragma("unroll") for (int i = 0; i < 16; i += 4) {
    __m512 r0 = _mm512_loadu_ps(from + i * step), r1 = _mm512_loadu_ps(from + (i + 1) * step);
    __m512 r2 = _mm512_loadu_ps(from + (i + 2) * step), r3 = _mm512_loadu_ps(from + (i + 3) * step);
    __m512 low = _mm512_unpacklo_ps(r0, r1), high = _mm512_unpackhi_ps(r0, r1);
    __m512 next_low = _mm512_unpacklo_ps(r2, r3), next_high = _mm512_unpackhi_ps(r2, r3);
    part[i] = _mm512_shuffle_ps(low, next_low, 0x44);
    part[i + 1] = _mm512_shuffle_ps(low, next_low, 0xEE);
    part[i + 2] = _mm512_shuffle_ps(high, next_high, 0x44);
    part[i + 3] = _mm512_shuffle_ps(high, next_high, 0xEE);
  }
  _Pragma("unroll") for (int i = 0; i < 4; i++) {
    __m512 even = _mm512_shuffle_f32x4(part[i], part[i + 4], 0x88);
    __m512 odd = _mm512_shuffle_f32x4(part[i], part[i + 4], 0xDD);
    __m512 next_even = _mm512_shuffle_f32x4(part[i + 8], part[i + 12], 0x88);
    __m512 next_odd = _mm512_shuffle_f32x4(part[i + 8], part[i + 12], 0xDD);
    to[i] = _mm512_shuffle_f32x4(even, next_even, 0x88);
    to[i + 4] = _mm512_shuffle_f32x4(odd, next_odd, 0x88);
    to[i + 8] = _mm512_shuffle_f32x4(even, next_even, 0xDD);
    to[i + 12] = _mm512_shuffle_f32x4(odd, next_odd, 0xDD);
  }
}

SWERVE_INLINE("avx2,fma") void swerve_turn_4(const double *from, ptrdiff_t step, __m256d *to) {
  __m256d row[4], pair[4];
  _Pragma("unroll") for (int i = 0; i < 4; i++) row[i] = _mm256_loadu_pd(from + i * step);
  _Pragma("unroll") for (int i = 0; i < 4; i += 2) {
    pair[i] = _mm256_unpacklo_pd(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_pd(row[i], row[i + 1]);
  }
  _Pragma("unroll") for (int i = 0; i < 2; i++) {
    to[i] = _mm256_permute2f128_pd(pair[i], pair[i + 2], 0x20);
    to[i + 2] = _mm256_permute2f128_pd(pair[i], pair[i + 2], 0x31);
  }
}

// AVX-512: a mask register says which lanes exist.
#define SWERVE_MASK16(lanes) ((lanes) >= 16 ? 0xFFFF : (lanes) <= 0 ? 0 : (__mmask16)((1u << (lanes)) - 1))
#define SWERVE_MASK8(lanes) ((lanes) >= 8 ? 0xFF : (lanes) <= 0 ? 0 : (__mmask8)((1u << (lanes)) - 1))
// Rows of the largest tile: with its vectors of `b` they fill 32 registers, or 16.
#define SWERVE_MOST_512(vectors) ((vectors) == 8 ? 2 : (vectors) == 4 ? 6 : 12)
#define SWERVE_MOST_256(vectors) ((vectors) == 8 ? 1 : (vectors) == 4 ? 3 : 6)
#define SWERVE_TILES_512                                                                           \
  TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1)          \
  TILE(9, 1) TILE(10, 1) TILE(11, 1) TILE(12, 1) TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2)       \
  TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2) TILE(9, 2) TILE(10, 2) TILE(11, 2) TILE(12, 2)       \
  TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4) TILE(1, 8) TILE(2, 8)
#define SWERVE_TILES_256                                                                           \
  TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(1, 2) TILE(2, 2)          \
  TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(1, 8)

#define NAME(x) swerve_float_512_##x
#define TARGET "avx512f,fma"
#define T float
#define V __m512
#define M __mmask16
#define LANES 16
#define MOST SWERVE_MOST_512
#define PANEL 4
#define MASK SWERVE_MASK16
#define LOAD(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define STORE _mm512_mask_storeu_ps
#define SET1 _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define ADD _mm512_add_ps
#define ZERO _mm512_setzero_ps
#define TURN_ROWS 8
#define TURN swerve_turn_16
#define SIDE 16
#define SQUARE __m512
#define SWERVE_TILES SWERVE_TILES_512
#define SWERVE_TURNED                                                                              \
  TURNED(1) TURNED(2) TURNED(3) TURNED(4) TURNED(5) TURNED(6) TURNED(7) TURNED(8)
#include "row_tiles.h"

#define NAME(x) swerve_double_512_##x
#define TARGET "avx512f,avx2,fma"
#define T double
#define V __m512d
#define M __mmask8
#define LANES 8
#define MOST SWERVE_MOST_512
#define PANEL 4
#define MASK SWERVE_MASK8
#define LOAD(p, mask) _mm512_maskz_loadu_pd(mask, p)
#define STORE _mm512_mask_storeu_pd
#define SET1 _mm512_set1_pd
#define FMA _mm512_fmadd_pd
#define ADD _mm512_add_pd
#define ZERO _mm512_setzero_pd
#define TURN_ROWS 0
#define TURN swerve_turn_4
#define SIDE 4
#define SQUARE __m256d
#define SWERVE_TILES SWERVE_TILES_512
#include "row_tiles.h"

// AVX2 with FMA: sixteen registers, and the mask is a vector.
SWERVE_INLINE("avx2,fma") __m256i swerve_mask_8(ptrdiff_t lanes) {
  int present = lanes > 8 ? 8 : lanes < 0 ? 0 : (int)lanes;
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(present), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

SWERVE_INLINE("avx2,fma") __m256i swerve_mask_4(ptrdiff_t lanes) {
  long long present = lanes > 4 ? 4 : lanes < 0 ? 0 : (long long)lanes;
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(present), _mm256_setr_epi64x(0, 1, 2, 3));
}

#define NAME(x) swerve_float_256_##x
#define TARGET "avx2,fma"
#define T float
#define V __m256
#define M __m256i
#define LANES 8
#define MOST SWERVE_MOST_256
#define PANEL 2
#define MASK swerve_mask_8
#define LOAD _mm256_maskload_ps
#define STORE _mm256_maskstore_ps
#define SET1 _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define ADD _mm256_add_ps
#define ZERO _mm256_setzero_ps
#define TURN_ROWS 4
#define TURN swerve_turn_8
#define SIDE 8
#define SQUARE __m256
#define SWERVE_TILES SWERVE_TILES_256
#define SWERVE_TURNED TURNED(1) TURNED(2) TURNED(3) TURNED(4)
#include "row_tiles.h"

#define NAME(x) swerve_double_256_##x
#define TARGET "avx2,fma"
#define T double
#define V __m256d
#define M __m256i
#define LANES 4
#define MOST SWERVE_MOST_256
#define PANEL 2
#define MASK swerve_mask_4
#define LOAD _mm256_maskload_pd
#define STORE _mm256_maskstore_pd
#define SET1 _mm256_set1_pd
#define FMA _mm256_fmadd_pd
#define ADD _mm256_add_pd
#define ZERO _mm256_setzero_pd
#define TURN_ROWS 0
#define TURN swerve_turn_4
#define SIDE 4
#define SQUARE __m256d
#define SWERVE_TILES SWERVE_TILES_256
#include "row_tiles.h"

#endif

// Any CPU. On one without a fused multiply-add each is a call: slow, and the same bits.
// `b` is read with a step of `k_step` along k and of `n_step` along n.
#define SWERVE_PLAIN_PRODUCT(NAME, T, FMA)                                                        \
  __attribute__((unused)) static inline void NAME(const T *a, const T *b, T *out, ptrdiff_t m,    \
                                                  ptrdiff_t n, ptrdiff_t k, ptrdiff_t k_step,      \
                                                  ptrdiff_t n_step) {                              \
    T sums[64];                                                                                    \
    for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {                                     \
      ptrdiff_t end = k - from < SWERVE_BLOCK ? k : from + SWERVE_BLOCK;                           \
      for (ptrdiff_t row = 0; row < m; row++)                                                      \
        for (ptrdiff_t column = 0; column < n; column += 64) {                                     \
          ptrdiff_t count = n - column < 64 ? n - column : 64;                                     \
          for (ptrdiff_t j = 0; j < count; j++) sums[j] = 0;                                       \
          for (ptrdiff_t i = from; i < end; i++) {                                                 \
            T left;                                                                                \
            memcpy(&left, a + row * k + i, sizeof left);                                           \
            for (ptrdiff_t j = 0; j < count; j++) {                                                \
              T right;                                                                             \
              memcpy(&right, b + i * k_step + (column + j) * n_step, sizeof right);                \
              sums[j] = FMA(left, right, sums[j]);                                                 \
            }                                                                                      \
          }                                                                                        \
          for (ptrdiff_t j = 0; j < count; j++) out[row * n + column + j] += sums[j];              \
        }                                                                                          \
    }                                                                                              \
  }

SWERVE_PLAIN_PRODUCT(swerve_float_product_plain, float, __builtin_fmaf)
SWERVE_PLAIN_PRODUCT(swerve_double_product_plain, double, __builtin_fma)

#define SWERVE_PLAIN_WINDOWS(NAME, T, FMA)                                                        \
  __attribute__((unused)) static inline void NAME(                                                \
      const void *a, const T *image, const ptrdiff_t *steps, const ptrdiff_t *lines, T *out,      \
      ptrdiff_t ldo, ptrdiff_t rows, ptrdiff_t line_count, ptrdiff_t width, ptrdiff_t k) {                        \
    for (ptrdiff_t row = 0; row < rows; row++)                                                     \
      for (ptrdiff_t line = 0; line < line_count; line++)                                          \
        for (ptrdiff_t x = 0; x < width; x++) {                                                    \
          const T *from = image + lines[line] + x;                                                 \
          T *place = out + row * ldo + line * width + x;                                          \
          for (ptrdiff_t block = 0; block < k; block += SWERVE_BLOCK) {                            \
            T sum = 0;                                                                             \
            ptrdiff_t end = k - block < SWERVE_BLOCK ? k : block + SWERVE_BLOCK;                   \
            for (ptrdiff_t i = block; i < end; i++) {                                              \
              T factor;                                                                            \
              memcpy(&factor, (const T *)a + row * k + i, sizeof factor);                          \
              sum = FMA(factor, from[steps[i]], sum);                                              \
            }                                                                                      \
            *place += sum;                                                                         \
          }                                                                                        \
        }                                                                                          \
  }

SWERVE_PLAIN_WINDOWS(swerve_float_windows_plain, float, __builtin_fmaf)
SWERVE_PLAIN_WINDOWS(swerve_double_windows_plain, double, __builtin_fma)

/// 2: AVX-512, 1: AVX2 with FMA, 0: the plain loops.
__attribute__((unused)) static inline int swerve_product_level(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma")) return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
  return 0;
}

/// `b` is (k, n), or (n, k) where it is transposed; `a` and `b` may lie at any byte.
__attribute__((unused)) static inline void swerve_float_product(
    int level, const void *a, const void *b, int is_transposed, float *out, ptrdiff_t m, ptrdiff_t n,
    ptrdiff_t k) {
#if defined(__x86_64__)
  if (level == 2 && is_transposed) return swerve_float_512_transposed(a, b, out, m, n, k);
  if (level == 2) return swerve_float_512_product(a, b, out, m, n, k);
  if (level == 1 && is_transposed) return swerve_float_256_transposed(a, b, out, m, n, k);
  if (level == 1) return swerve_float_256_product(a, b, out, m, n, k);
#endif
  swerve_float_product_plain(a, b, out, m, n, k, is_transposed ? 1 : n, is_transposed ? k : 1);
}

/// `b` is (k, n), or (n, k) where it is transposed; `a` and `b` may lie at any byte.
__attribute__((unused)) static inline void swerve_double_product(
    int level, const void *a, const void *b, int is_transposed, double *out, ptrdiff_t m, ptrdiff_t n,
    ptrdiff_t k) {
#if defined(__x86_64__)
  if (level == 2 && is_transposed) return swerve_double_512_transposed(a, b, out, m, n, k);
  if (level == 2) return swerve_double_512_product(a, b, out, m, n, k);
  if (level == 1 && is_transposed) return swerve_double_256_transposed(a, b, out, m, n, k);
  if (level == 1) return swerve_double_256_product(a, b, out, m, n, k);
#endif
  swerve_double_product_plain(a, b, out, m, n, k, is_transposed ? 1 : n, is_transposed ? k : 1);
}

/// As the products: each element of `out` is the sum of `k` weights times what lies under them, of an
/// image whose lines begin at `lines`, `steps` further for each weight; `ldo` is from row to row. `a` may lie at any byte.
__attribute__((unused)) static inline void swerve_float_windows(
    int level, const void *a, const float *image, const ptrdiff_t *steps, const ptrdiff_t *lines,
    float *out, ptrdiff_t ldo, ptrdiff_t rows, ptrdiff_t line_count, ptrdiff_t width, ptrdiff_t k) {
#if defined(__x86_64__)
  if (level == 2)
    return swerve_float_512_windows(a, image, steps, lines, out, ldo, rows, line_count, width, k);
  if (level == 1)
    return swerve_float_256_windows(a, image, steps, lines, out, ldo, rows, line_count, width, k);
#endif
  swerve_float_windows_plain(a, image, steps, lines, out, ldo, rows, line_count, width, k);
}

/// As the products: each element of `out` is the sum of `k` weights times what lies under them, of an
/// image whose lines begin at `lines`, `steps` further for each weight; `ldo` is from row to row. `a` may lie at any byte.
__attribute__((unused)) static inline void swerve_double_windows(
    int level, const void *a, const double *image, const ptrdiff_t *steps, const ptrdiff_t *lines,
    double *out, ptrdiff_t ldo, ptrdiff_t rows, ptrdiff_t line_count, ptrdiff_t width, ptrdiff_t k) {
#if defined(__x86_64__)
  if (level == 2)
    return swerve_double_512_windows(a, image, steps, lines, out, ldo, rows, line_count, width, k);
  if (level == 1)
    return swerve_double_256_windows(a, image, steps, lines, out, ldo, rows, line_count, width, k);
#endif
  swerve_double_windows_plain(a, image, steps, lines, out, ldo, rows, line_count, width, k);
}
