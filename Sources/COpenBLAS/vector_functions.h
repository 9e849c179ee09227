// Functions of many floats, with the same bits on every CPU: `vector_lanes.h` for vectors of 16 and
// of 8, and of one for a CPU that has neither.
//
// The polynomials of exp and tanh are those of Cephes (expf, tanhf), that of erf is N. Juffa's; all are
// within two units in the last place of the true values.
#pragma once

#include "row_products.h"

#include <math.h>

enum {
  SWERVE_EXP, SWERVE_SIGMOID, SWERVE_TANH, SWERVE_ERF, SWERVE_RELU,
  /// min(high, max(low, x)).
  SWERVE_CLIP,
  /// x · low + high.
  SWERVE_SCALE,
  /// The exponential of x − low.
  SWERVE_SHIFTED_EXP,
  /// x / low.
  SWERVE_QUOTIENT,
};

#if defined(__x86_64__)

#define NAME(x) swerve_lanes_512_##x
#define TARGET "avx512f,fma"
#define V __m512
#define M __mmask16
#define I __m512i
#define LANES 16
#define MASK SWERVE_MASK16
#define LOAD(p, mask) _mm512_maskz_loadu_ps(mask, p)
#define STORE _mm512_mask_storeu_ps
#define SET1 _mm512_set1_ps
#define FMA _mm512_fmadd_ps
#define ADD _mm512_add_ps
#define SUB _mm512_sub_ps
#define MUL _mm512_mul_ps
#define DIV _mm512_div_ps
#define MIN _mm512_min_ps
#define MAX _mm512_max_ps
#define BLEND(x, limit, else_, then) \
  _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, limit, _CMP_LT_OQ), else_, then)
#define BITS _mm512_castps_si512
#define FLOATS _mm512_castsi512_ps
#define ISET1 _mm512_set1_epi32
#define IADD _mm512_add_epi32
#define ISUB _mm512_sub_epi32
#define IAND _mm512_and_si512
#define IOR _mm512_or_si512
#define IHALF(x) _mm512_srai_epi32(x, 1)
#define IEXPONENT(x) _mm512_slli_epi32(x, 23)
#include "vector_lanes.h"

#define NAME(x) swerve_lanes_256_##x
#define TARGET "avx2,fma"
#define V __m256
#define M __m256i
#define I __m256i
#define LANES 8
#define MASK swerve_mask_8
#define LOAD _mm256_maskload_ps
#define STORE _mm256_maskstore_ps
#define SET1 _mm256_set1_ps
#define FMA _mm256_fmadd_ps
#define ADD _mm256_add_ps
#define SUB _mm256_sub_ps
#define MUL _mm256_mul_ps
#define DIV _mm256_div_ps
#define MIN _mm256_min_ps
#define MAX _mm256_max_ps
#define BLEND(x, limit, else_, then) \
  _mm256_blendv_ps(else_, then, _mm256_cmp_ps(x, limit, _CMP_LT_OQ))
#define BITS _mm256_castps_si256
#define FLOATS _mm256_castsi256_ps
#define ISET1 _mm256_set1_epi32
#define IADD _mm256_add_epi32
#define ISUB _mm256_sub_epi32
#define IAND _mm256_and_si256
#define IOR _mm256_or_si256
#define IHALF(x) _mm256_srai_epi32(x, 1)
#define IEXPONENT(x) _mm256_slli_epi32(x, 23)
#include "vector_lanes.h"

#endif

// One lane. Sums and products of their own are never contracted here.
#pragma clang fp contract(off)
static inline __attribute__((always_inline, unused)) int swerve_bits(float x) {
  int bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
static inline __attribute__((always_inline, unused)) float swerve_floats(int bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
#define NAME(x) swerve_lanes_1_##x
#define V float
#define M int
#define I int
#define LANES 1
#define MASK(lanes) 1
#define LOAD(p, mask) (*(p))
#define STORE(p, mask, x) ((void)(mask), *(p) = (x))
#define SET1(x) ((float)(x))
#define FMA __builtin_fmaf
#define ADD(a, b) ((a) + (b))
#define SUB(a, b) ((a) - (b))
#define MUL(a, b) ((a) * (b))
#define DIV(a, b) ((a) / (b))
#define MIN swerve_min
#define MAX swerve_max
#define BLEND(x, limit, else_, then) ((x) < (limit) ? (then) : (else_))
#define BITS swerve_bits
#define FLOATS swerve_floats
#define ISET1(x) (x)
#define IADD(a, b) ((int)((unsigned)(a) + (unsigned)(b)))
#define ISUB(a, b) ((int)((unsigned)(a) - (unsigned)(b)))
#define IAND(a, b) ((a) & (b))
#define IOR(a, b) ((a) | (b))
#define IHALF(x) ((x) >> 1)
#define IEXPONENT(x) ((int)((unsigned)(x) << 23))
static inline __attribute__((always_inline, unused)) float swerve_min(float a, float b) {
  return a < b ? a : b;
}
static inline __attribute__((always_inline, unused)) float swerve_max(float a, float b) {
  return a > b ? a : b;
}
#include "vector_lanes.h"
#pragma clang fp contract(on)

__attribute__((unused)) static inline void swerve_float_map(
    int level, int function, const float *from, float *to, ptrdiff_t count, float low, float high) {
#if defined(__x86_64__)
  if (level == 2) return swerve_lanes_512_map(function, from, to, count, low, high);
  if (level == 1) return swerve_lanes_256_map(function, from, to, count, low, high);
#endif
  swerve_lanes_1_map(function, from, to, count, low, high);
}

/// 0: sum, 1: difference, 2: product, 3: quotient.
__attribute__((unused)) static inline void swerve_float_combine(
    int level, int operation, const float *left, int left_step, const float *right, int right_step,
    float *to, ptrdiff_t count) {
#if defined(__x86_64__)
  if (level == 2)
    return swerve_lanes_512_combine(operation, left, left_step, right, right_step, to, count);
  if (level == 1)
    return swerve_lanes_256_combine(operation, left, left_step, right, right_step, to, count);
#endif
  swerve_lanes_1_combine(operation, left, left_step, right, right_step, to, count);
}
