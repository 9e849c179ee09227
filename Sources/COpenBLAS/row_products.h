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

// The packed columns of one block; `T packed[SWERVE_BLOCK * WIDTH]` lies on the stack.
#define SWERVE_PACK(b, n, count, length, width, packed)                                  \
  for (ptrdiff_t i = 0; i < (length); i++) {                                             \
    memcpy((packed) + i * (width), (b) + i * (n), (size_t)(count) * sizeof *(packed));   \
    for (ptrdiff_t lane = (count); lane < (width); lane++) (packed)[i * (width) + lane] = 0; \
  }

/// A tile of ROWS rows and up to VECTORS * LANES columns over one block of k.
#define SWERVE_TILE(NAME, TARGET, T, V, M, LANES, MASK, SET1, LOAD, STORE, FMA, ADD, ZERO, ROWS, VECTORS) \
  __attribute__((target(TARGET), unused)) static inline void NAME(                                 \
      const T *a, ptrdiff_t lda, const T *b, ptrdiff_t ldb, T *out, ptrdiff_t n,                   \
      ptrdiff_t length, ptrdiff_t count) {                                                         \
    V sum[ROWS][VECTORS];                                                                          \
    M mask[VECTORS];                                                                               \
    _Pragma("unroll") for (int v = 0; v < VECTORS; v++) {                                          \
      mask[v] = MASK(count - v * LANES);                                                           \
      _Pragma("unroll") for (int r = 0; r < ROWS; r++) sum[r][v] = ZERO();                         \
    }                                                                                              \
    for (ptrdiff_t i = 0; i < length; i++) {                                                       \
      V right[VECTORS];                                                                            \
      _Pragma("unroll") for (int v = 0; v < VECTORS; v++)                                          \
        right[v] = LOAD(b + i * ldb + v * LANES, mask[v]);                                         \
      _Pragma("unroll") for (int r = 0; r < ROWS; r++) {                                           \
        T factor;                                                                                  \
        memcpy(&factor, a + r * lda + i, sizeof factor);                                           \
        V left = SET1(factor);                                                                     \
        _Pragma("unroll") for (int v = 0; v < VECTORS; v++)                                        \
          sum[r][v] = FMA(left, right[v], sum[r][v]);                                              \
      }                                                                                            \
    }                                                                                              \
    _Pragma("unroll") for (int r = 0; r < ROWS; r++)                                               \
      _Pragma("unroll") for (int v = 0; v < VECTORS; v++)                                          \
        STORE(out + r * n + v * LANES, mask[v],                                                    \
              ADD(LOAD(out + r * n + v * LANES, mask[v]), sum[r][v]));                             \
  }

/// The whole product. TALL has TALL_ROWS rows and 4 (or 2) vectors, REST the rows that are left of
/// it, WIDE one row and 8 vectors. Whatever the number of rows, all pass over a panel of `b` while it
/// is in the cache: reading the weights is what takes the time of a few rows.
#define SWERVE_PRODUCT(NAME, TARGET, T, LANES, TALL, TALL_ROWS, TALL_VECTORS, REST, THIN, WIDE, ONE) \
  __attribute__((target(TARGET), unused)) static inline void NAME(                                 \
      const T *a, const T *b, T *out, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {                     \
    T packed[SWERVE_BLOCK * TALL_VECTORS * LANES];                                                 \
    for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {                                     \
      ptrdiff_t length = k - from < SWERVE_BLOCK ? k - from : SWERVE_BLOCK;                        \
      const T *right = b + from * n;                                                               \
      ptrdiff_t row = 0;                                                                           \
      if (n <= LANES) {                                                                            \
        for (; row + 8 <= m; row += 8)                                                             \
          THIN(a + row * k + from, k, right, n, out + row * n, n, length, n);                      \
      } else if (m > 1) {                                                                          \
        const ptrdiff_t width = TALL_VECTORS * LANES;                                              \
        for (ptrdiff_t column = 0; column < n; column += width) {                                  \
          ptrdiff_t count = n - column < width ? n - column : width;                               \
          const T *columns = right + column;                                                       \
          ptrdiff_t ldb = n;                                                                       \
          if (m > TALL_ROWS && n > width) {                                                   \
            SWERVE_PACK(columns, n, count, length, width, packed)                                  \
            columns = packed;                                                                      \
            ldb = width;                                                                           \
          }                                                                                        \
          for (row = 0; row + TALL_ROWS <= m; row += TALL_ROWS)                                    \
            TALL(a + row * k + from, k, columns, ldb, out + row * n + column, n, length, count);   \
          if (row < m)                                                                             \
            REST(m - row, a + row * k + from, k, columns, ldb, out + row * n + column, n, length,  \
                 count);                                                                           \
        }                                                                                          \
        row = m;                                                                                   \
      }                                                                                            \
      for (; row < m; row++) {                                                                     \
        ptrdiff_t column = 0;                                                                      \
        for (; n - column > 2 * LANES; column += 8 * LANES)                                        \
          WIDE(a + row * k + from, k, right + column, n, out + row * n + column, n, length,        \
               n - column);                                                                        \
        for (; column < n; column += LANES)                                                        \
          ONE(a + row * k + from, k, right + column, n, out + row * n + column, n, length,         \
              n - column);                                                                         \
      }                                                                                            \
    }                                                                                              \
  }

/// The rows that are left of whole tiles, fewer than a tile has: one tile of their own.
#define SWERVE_REST(NAME, TARGET, T, TWO, THREE, FOUR, FIVE, ONE)                                  \
  __attribute__((target(TARGET), unused)) static inline void NAME(                                 \
      ptrdiff_t rows, const T *a, ptrdiff_t lda, const T *b, ptrdiff_t ldb, T *out, ptrdiff_t n,   \
      ptrdiff_t length, ptrdiff_t count) {                                                         \
    switch (rows) {                                                                                \
    case 5: return FIVE(a, lda, b, ldb, out, n, length, count);                                    \
    case 4: return FOUR(a, lda, b, ldb, out, n, length, count);                                    \
    case 3: return THREE(a, lda, b, ldb, out, n, length, count);                                   \
    case 2: return TWO(a, lda, b, ldb, out, n, length, count);                                     \
    default: return ONE(a, lda, b, ldb, out, n, length, count);                                    \
    }                                                                                              \
  }

/// The whole product with weights that stand as (n, k).
#define SWERVE_TRANSPOSED(NAME, TARGET, T, LANES, TALL, TALL_ROWS, TALL_VECTORS, REST, PACK)       \
  __attribute__((target(TARGET), unused)) static inline void NAME(                                 \
      const T *a, const T *b, T *out, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {                     \
    const ptrdiff_t width = TALL_VECTORS * LANES;                                                  \
    T packed[SWERVE_BLOCK * TALL_VECTORS * LANES];                                                 \
    for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {                                     \
      ptrdiff_t length = k - from < SWERVE_BLOCK ? k - from : SWERVE_BLOCK;                        \
      for (ptrdiff_t column = 0; column < n; column += width) {                                    \
        ptrdiff_t count = n - column < width ? n - column : width;                                 \
        PACK(b + column * k + from, k, count, length, width, packed);                               \
        ptrdiff_t row = 0;                                                                         \
        for (; row + TALL_ROWS <= m; row += TALL_ROWS)                                             \
          TALL(a + row * k + from, k, packed, width, out + row * n + column, n, length, count);    \
        if (row < m)                                                                               \
          REST(m - row, a + row * k + from, k, packed, width, out + row * n + column, n, length,   \
               count);                                                                             \
      }                                                                                            \
    }                                                                                              \
  }

#if defined(__x86_64__)

// Squares of weights turned in registers, (n, k) to (k, n).
__attribute__((target("avx2,fma"), unused)) static inline void swerve_turn_8x8(
    const float *from, ptrdiff_t step, float *to, ptrdiff_t width) {
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
    _mm256_storeu_ps(to + i * width, _mm256_permute2f128_ps(four[i], four[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * width, _mm256_permute2f128_ps(four[i], four[i + 4], 0x31));
  }
}

__attribute__((target("avx2,fma"), unused)) static inline void swerve_turn_4x4(
    const double *from, ptrdiff_t step, double *to, ptrdiff_t width) {
  __m256d row[4], pair[4];
  _Pragma("unroll") for (int i = 0; i < 4; i++) row[i] = _mm256_loadu_pd(from + i * step);
  _Pragma("unroll") for (int i = 0; i < 4; i += 2) {
    pair[i] = _mm256_unpacklo_pd(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_pd(row[i], row[i + 1]);
  }
  _Pragma("unroll") for (int i = 0; i < 2; i++) {
    _mm256_storeu_pd(to + i * width, _mm256_permute2f128_pd(pair[i], pair[i + 2], 0x20));
    _mm256_storeu_pd(to + (i + 2) * width, _mm256_permute2f128_pd(pair[i], pair[i + 2], 0x31));
  }
}

// SWERVE_PACK of weights that stand as (n, k). Each of a few weight rows is read along the whole
// block: the longer the runs, the better memory keeps up.
#define SWERVE_PACK_TRANSPOSED(NAME, T, SIDE, TURN)                                                \
  __attribute__((target("avx2,fma"), unused)) static inline void NAME(                             \
      const T *b, ptrdiff_t k, ptrdiff_t count, ptrdiff_t length, ptrdiff_t width, T *packed) {    \
    ptrdiff_t lane = 0;                                                                            \
    for (; lane + SIDE <= count; lane += SIDE) {                                                   \
      ptrdiff_t i = 0;                                                                             \
      for (; i + SIDE <= length; i += SIDE)                                                        \
        TURN(b + lane * k + i, k, packed + i * width + lane, width);                               \
      for (; i < length; i++)                                                                      \
        for (ptrdiff_t j = lane; j < lane + SIDE; j++)                                             \
          memcpy(packed + i * width + j, b + j * k + i, sizeof(T));                                \
    }                                                                                              \
    for (; lane < count; lane++)                                                                   \
      for (ptrdiff_t i = 0; i < length; i++)                                                       \
        memcpy(packed + i * width + lane, b + lane * k + i, sizeof(T));                            \
    for (ptrdiff_t i = 0; i < length; i++)                                                         \
      for (ptrdiff_t j = count; j < width; j++) packed[i * width + j] = 0;                         \
  }

SWERVE_PACK_TRANSPOSED(swerve_float_pack_transposed, float, 8, swerve_turn_8x8)
SWERVE_PACK_TRANSPOSED(swerve_double_pack_transposed, double, 4, swerve_turn_4x4)

// AVX-512: a mask register says which lanes exist.
#define SWERVE_MASK16(lanes) ((lanes) >= 16 ? 0xFFFF : (lanes) <= 0 ? 0 : (__mmask16)((1u << (lanes)) - 1))
#define SWERVE_MASK8(lanes) ((lanes) >= 8 ? 0xFF : (lanes) <= 0 ? 0 : (__mmask8)((1u << (lanes)) - 1))
#define SWERVE_LOAD16(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define SWERVE_LOAD8(p, mask) _mm512_maskz_loadu_pd(mask, p)

#define SWERVE_FLOAT_512(NAME, ROWS, VECTORS)                                                      \
  SWERVE_TILE(NAME, "avx512f,fma", float, __m512, __mmask16, 16, SWERVE_MASK16, _mm512_set1_ps,    \
              SWERVE_LOAD16, _mm512_mask_storeu_ps, _mm512_fmadd_ps, _mm512_add_ps,                \
              _mm512_setzero_ps, ROWS, VECTORS)
#define SWERVE_DOUBLE_512(NAME, ROWS, VECTORS)                                                     \
  SWERVE_TILE(NAME, "avx512f,fma", double, __m512d, __mmask8, 8, SWERVE_MASK8, _mm512_set1_pd,     \
              SWERVE_LOAD8, _mm512_mask_storeu_pd, _mm512_fmadd_pd, _mm512_add_pd,                 \
              _mm512_setzero_pd, ROWS, VECTORS)

SWERVE_FLOAT_512(swerve_float_512_6x4, 6, 4)
SWERVE_FLOAT_512(swerve_float_512_5x4, 5, 4)
SWERVE_FLOAT_512(swerve_float_512_4x4, 4, 4)
SWERVE_FLOAT_512(swerve_float_512_3x4, 3, 4)
SWERVE_FLOAT_512(swerve_float_512_2x4, 2, 4)
SWERVE_FLOAT_512(swerve_float_512_1x4, 1, 4)
SWERVE_REST(swerve_float_512_rest, "avx512f,fma", float, swerve_float_512_2x4, swerve_float_512_3x4,
            swerve_float_512_4x4, swerve_float_512_5x4, swerve_float_512_1x4)
SWERVE_FLOAT_512(swerve_float_512_8x1, 8, 1)
SWERVE_FLOAT_512(swerve_float_512_1x8, 1, 8)
SWERVE_FLOAT_512(swerve_float_512_1x1, 1, 1)
SWERVE_PRODUCT(swerve_float_product_512, "avx512f,fma", float, 16, swerve_float_512_6x4, 6, 4,
               swerve_float_512_rest, swerve_float_512_8x1, swerve_float_512_1x8, swerve_float_512_1x1)
SWERVE_TRANSPOSED(swerve_float_transposed_512, "avx512f,fma", float, 16, swerve_float_512_6x4, 6, 4,
                  swerve_float_512_rest, swerve_float_pack_transposed)

SWERVE_DOUBLE_512(swerve_double_512_6x4, 6, 4)
SWERVE_DOUBLE_512(swerve_double_512_5x4, 5, 4)
SWERVE_DOUBLE_512(swerve_double_512_4x4, 4, 4)
SWERVE_DOUBLE_512(swerve_double_512_3x4, 3, 4)
SWERVE_DOUBLE_512(swerve_double_512_2x4, 2, 4)
SWERVE_DOUBLE_512(swerve_double_512_1x4, 1, 4)
SWERVE_REST(swerve_double_512_rest, "avx512f,fma", double, swerve_double_512_2x4, swerve_double_512_3x4,
            swerve_double_512_4x4, swerve_double_512_5x4, swerve_double_512_1x4)
SWERVE_DOUBLE_512(swerve_double_512_8x1, 8, 1)
SWERVE_DOUBLE_512(swerve_double_512_1x8, 1, 8)
SWERVE_DOUBLE_512(swerve_double_512_1x1, 1, 1)
SWERVE_PRODUCT(swerve_double_product_512, "avx512f,fma", double, 8, swerve_double_512_6x4, 6, 4,
               swerve_double_512_rest, swerve_double_512_8x1, swerve_double_512_1x8, swerve_double_512_1x1)
SWERVE_TRANSPOSED(swerve_double_transposed_512, "avx512f,fma", double, 8, swerve_double_512_6x4, 6, 4,
                  swerve_double_512_rest, swerve_double_pack_transposed)

// AVX2 with FMA: sixteen registers, and the mask is a vector.
__attribute__((target("avx2,fma"), unused)) static inline __m256i swerve_mask_8(ptrdiff_t lanes) {
  int present = lanes > 8 ? 8 : lanes < 0 ? 0 : (int)lanes;
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(present), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

__attribute__((target("avx2,fma"), unused)) static inline __m256i swerve_mask_4(ptrdiff_t lanes) {
  long long present = lanes > 4 ? 4 : lanes < 0 ? 0 : (long long)lanes;
  return _mm256_cmpgt_epi64(_mm256_set1_epi64x(present), _mm256_setr_epi64x(0, 1, 2, 3));
}

#define SWERVE_FLOAT_256(NAME, ROWS, VECTORS)                                                      \
  SWERVE_TILE(NAME, "avx2,fma", float, __m256, __m256i, 8, swerve_mask_8, _mm256_set1_ps,          \
              _mm256_maskload_ps, _mm256_maskstore_ps, _mm256_fmadd_ps, _mm256_add_ps,             \
              _mm256_setzero_ps, ROWS, VECTORS)
#define SWERVE_DOUBLE_256(NAME, ROWS, VECTORS)                                                     \
  SWERVE_TILE(NAME, "avx2,fma", double, __m256d, __m256i, 4, swerve_mask_4, _mm256_set1_pd,        \
              _mm256_maskload_pd, _mm256_maskstore_pd, _mm256_fmadd_pd, _mm256_add_pd,             \
              _mm256_setzero_pd, ROWS, VECTORS)

SWERVE_FLOAT_256(swerve_float_256_4x2, 4, 2)
SWERVE_FLOAT_256(swerve_float_256_3x2, 3, 2)
SWERVE_FLOAT_256(swerve_float_256_2x2, 2, 2)
SWERVE_FLOAT_256(swerve_float_256_1x2, 1, 2)
SWERVE_REST(swerve_float_256_rest, "avx2,fma", float, swerve_float_256_2x2, swerve_float_256_3x2,
            swerve_float_256_1x2, swerve_float_256_1x2, swerve_float_256_1x2)
SWERVE_FLOAT_256(swerve_float_256_8x1, 8, 1)
SWERVE_FLOAT_256(swerve_float_256_1x8, 1, 8)
SWERVE_FLOAT_256(swerve_float_256_1x1, 1, 1)
SWERVE_PRODUCT(swerve_float_product_256, "avx2,fma", float, 8, swerve_float_256_4x2, 4, 2,
               swerve_float_256_rest, swerve_float_256_8x1, swerve_float_256_1x8, swerve_float_256_1x1)
SWERVE_TRANSPOSED(swerve_float_transposed_256, "avx2,fma", float, 8, swerve_float_256_4x2, 4, 2,
                  swerve_float_256_rest, swerve_float_pack_transposed)

SWERVE_DOUBLE_256(swerve_double_256_4x2, 4, 2)
SWERVE_DOUBLE_256(swerve_double_256_3x2, 3, 2)
SWERVE_DOUBLE_256(swerve_double_256_2x2, 2, 2)
SWERVE_DOUBLE_256(swerve_double_256_1x2, 1, 2)
SWERVE_REST(swerve_double_256_rest, "avx2,fma", double, swerve_double_256_2x2, swerve_double_256_3x2,
            swerve_double_256_1x2, swerve_double_256_1x2, swerve_double_256_1x2)
SWERVE_DOUBLE_256(swerve_double_256_8x1, 8, 1)
SWERVE_DOUBLE_256(swerve_double_256_1x8, 1, 8)
SWERVE_DOUBLE_256(swerve_double_256_1x1, 1, 1)
SWERVE_PRODUCT(swerve_double_product_256, "avx2,fma", double, 4, swerve_double_256_4x2, 4, 2,
               swerve_double_256_rest, swerve_double_256_8x1, swerve_double_256_1x8, swerve_double_256_1x1)
SWERVE_TRANSPOSED(swerve_double_transposed_256, "avx2,fma", double, 4, swerve_double_256_4x2, 4, 2,
                  swerve_double_256_rest, swerve_double_pack_transposed)

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
  if (level == 2 && is_transposed) return swerve_float_transposed_512(a, b, out, m, n, k);
  if (level == 2) return swerve_float_product_512(a, b, out, m, n, k);
  if (level == 1 && is_transposed) return swerve_float_transposed_256(a, b, out, m, n, k);
  if (level == 1) return swerve_float_product_256(a, b, out, m, n, k);
#endif
  swerve_float_product_plain(a, b, out, m, n, k, is_transposed ? 1 : n, is_transposed ? k : 1);
}

/// `b` is (k, n), or (n, k) where it is transposed; `a` and `b` may lie at any byte.
__attribute__((unused)) static inline void swerve_double_product(
    int level, const void *a, const void *b, int is_transposed, double *out, ptrdiff_t m, ptrdiff_t n,
    ptrdiff_t k) {
#if defined(__x86_64__)
  if (level == 2 && is_transposed) return swerve_double_transposed_512(a, b, out, m, n, k);
  if (level == 2) return swerve_double_product_512(a, b, out, m, n, k);
  if (level == 1 && is_transposed) return swerve_double_transposed_256(a, b, out, m, n, k);
  if (level == 1) return swerve_double_product_256(a, b, out, m, n, k);
#endif
  swerve_double_product_plain(a, b, out, m, n, k, is_transposed ? 1 : n, is_transposed ? k : 1);
}
