// Rows of decimals as tables hold them, `-0.8692932,1.5,7`, read 16 or 64 bytes at a time.
//
// C, because Swift compiles for the oldest x86-64 and has no way to compile one function for a
// newer CPU.
//
// One comparison of 16 bytes says where a number's point and its end are. One permutation takes the
// point out and moves the digits to the end of a vector, and three multiplications join them to one
// integer. It has at most 15 digits, so it and the power of ten are both doubles, and their quotient
// is the nearest one (Clinger 1990). No step depends on how many digits a number has. With AVX-512
// four numbers go so at once: all digits of 64 bytes are moved together, and then apart again, each
// number's to the end of its 16 bytes.
// Source: the permutation and the multiplications are those of W. Mula, "SIMD-ized conversion of
// strings to integers" (2014).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// What this CPU has of what the functions below need: 0 nothing, 1 that of `…_sse41`, 2 that of
/// `…_avx512` too.
__attribute__((unused)) static inline int swerve_decimal_vectors(void) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("sse4.1")) return 0;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                 __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi") &&
                 __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt")
             ? 2
             : 1;
#else
  return 0;
#endif
}

#if defined(__x86_64__)
static const double swerve_powers_of_ten[16] = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
};

#define SWERVE_SSE41 __attribute__((target("sse4.1")))

/// The number that begins at `text`, of which 17 bytes are there. Returns how many bytes it takes; 0
/// for what is none of the common form.
SWERVE_SSE41 __attribute__((always_inline, unused)) static inline ptrdiff_t swerve_decimal(
    const uint8_t *text, double *value) {
  int sign = text[0] == '-';
  __m128i digits =
      _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(text + sign)), _mm_set1_epi8('0'));
  // Unsigned bytes above 9.
  __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits);
  unsigned others = ~(unsigned)_mm_movemask_epi8(is_digit) & 0xFFFF;
  if (others == 0) return 0;
  int whole = __builtin_ctz(others);
  int end = whole, fraction = 0, count = whole;
  if (text[sign + whole] == '.') {
    others &= others - 1;
    if (others == 0) return 0;
    end = __builtin_ctz(others);
    fraction = end - whole - 1;
    count = end - 1;
    if (fraction == 0) return 0;
  }
  if (whole == 0) return 0;
  // Digit i goes to place 16 - count + i; what is behind the point comes from one byte further.
  const __m128i places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  __m128i from = _mm_add_epi8(places, _mm_set1_epi8((char)(count - 16)));
  from = _mm_sub_epi8(from, _mm_cmpgt_epi8(from, _mm_set1_epi8((char)(whole - 1))));
  digits = _mm_shuffle_epi8(digits, from);
  __m128i pairs = _mm_maddubs_epi16(
      digits, _mm_setr_epi8(10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1));
  __m128i fours = _mm_madd_epi16(pairs, _mm_setr_epi16(100, 1, 100, 1, 100, 1, 100, 1));
  fours = _mm_packus_epi32(fours, fours);
  __m128i eights = _mm_madd_epi16(fours, _mm_setr_epi16(10000, 1, 10000, 1, 10000, 1, 10000, 1));
  uint64_t both = (uint64_t)_mm_cvtsi128_si64(eights);
  int64_t number = (int64_t)((both & 0xFFFFFFFF) * 100000000 + (both >> 32));
  double result = (double)number / swerve_powers_of_ten[fraction];
  uint64_t bits;
  memcpy(&bits, &result, sizeof bits);
  bits |= (uint64_t)sign << 63;
  memcpy(value, &bits, sizeof bits);
  return sign + end;
}

#define SWERVE_READ_DECIMALS(KIND, T)                                                           \
  SWERVE_SSE41 __attribute__((unused)) static ptrdiff_t swerve_read_##KIND##_sse41(             \
      const uint8_t *text, ptrdiff_t count, ptrdiff_t *position, const ptrdiff_t *places,       \
      ptrdiff_t column, ptrdiff_t columns, T *values) {                                         \
    ptrdiff_t at = *position;                                                                   \
    for (; column < columns; column++) {                                                        \
      if (places[column] < 0 || count - at < 32) break;                                         \
      double value;                                                                             \
      ptrdiff_t length = swerve_decimal(text + at, &value);                                     \
      if (length == 0) break;                                                                   \
      const uint8_t *end = text + at + length;                                                  \
      if (column + 1 < columns) {                                                               \
        if (*end != ',') break;                                                                 \
        at += length + 1;                                                                       \
      } else if (*end == '\n') {                                                                \
        at += length + 1;                                                                       \
      } else if (end[0] == '\r' && end[1] == '\n') {                                            \
        at += length + 2;                                                                       \
      } else {                                                                                  \
        break;                                                                                  \
      }                                                                                         \
      values[places[column]] = (T)value;                                                        \
    }                                                                                           \
    *position = at;                                                                             \
    return column;                                                                              \
  }

#define SWERVE_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi2,bmi,bmi2,popcnt,sse4.1")))

/// Four numbers that follow each other at `text`, of which 64 bytes are there. Returns how many bytes
/// they take with what ends them; 0 where one of them is none of the common form.
SWERVE_AVX512 __attribute__((always_inline, unused)) static inline ptrdiff_t swerve_four_decimals(
    const uint8_t *text, int is_last, __m256d *values) {
  const double *powers = swerve_powers_of_ten;
  __m512i bytes = _mm512_loadu_si512(text);
  __m512i digits = _mm512_sub_epi8(bytes, _mm512_set1_epi8('0'));
  uint64_t commas = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(','));
  uint64_t lines = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n'));
  // The first four ends of cells, and all bytes up to the fourth.
  uint64_t second = _blsr_u64(commas | lines), third = _blsr_u64(second), fourth = _blsr_u64(third);
  if (fourth == 0) return 0;
  uint64_t all = _blsmsk_u64(fourth), last = fourth & (0 - fourth);
  commas &= all;
  lines &= all;
  uint64_t ends = commas | lines, begins = ((ends << 1) | 1) & all;
  uint64_t numerals = _mm512_cmple_epu8_mask(digits, _mm512_set1_epi8(9)) & all;
  uint64_t points = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('.')) & all;
  uint64_t minuses = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('-')) & begins;
  // From each point to the end of its number.
  uint64_t behind = (ends - points) & numerals;
  uint64_t wrong = all ^ (numerals | points | minuses | ends);
  wrong |= lines ^ (is_last ? last : 0);
  // Behind a beginning, a minus and a point there is a digit, and before a point.
  wrong |= ((begins ^ minuses) | minuses << 1 | points << 1 | points >> 1) & ~numerals;
  // The digits behind a point go on to the end.
  wrong |= ((points << 1) + numerals) & ~(numerals | ends);
  uint64_t one = _blsmsk_u64(ends), two = _blsmsk_u64(second), three = _blsmsk_u64(third);
  two ^= one;
  three ^= one ^ two;
  uint64_t four = all ^ (one | two | three);
  uint64_t a = (uint64_t)__builtin_popcountll(numerals & one);
  uint64_t b = (uint64_t)__builtin_popcountll(numerals & two);
  uint64_t c = (uint64_t)__builtin_popcountll(numerals & three);
  uint64_t d = (uint64_t)__builtin_popcountll(numerals & four);
  if (wrong != 0 || (a | b | c | d) > 15) return 0;
  __m256d divisors = _mm256_setr_pd(
      powers[__builtin_popcountll(behind & one)], powers[__builtin_popcountll(behind & two)],
      powers[__builtin_popcountll(behind & three)], powers[__builtin_popcountll(behind & four)]);
  // The digits of all are moved together, and then apart, each number's to the end of 16 bytes.
  uint64_t lanes = (0x10000ull - (0x10000ull >> a)) | (0x10000ull - (0x10000ull >> b)) << 16 |
                   (0x10000ull - (0x10000ull >> c)) << 32 | (0x10000ull - (0x10000ull >> d)) << 48;
  digits = _mm512_maskz_expand_epi8(lanes, _mm512_maskz_compress_epi8(numerals, digits));
  __m512i pairs = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(10 | 1 << 8));
  __m512i fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32(100 | 1 << 16));
  fours = _mm512_packus_epi32(fours, fours);
  __m512i eights = _mm512_madd_epi16(fours, _mm512_set1_epi32(10000 | 1 << 16));
  // Of each 16 bytes the lower half: two numbers of eight digits.
  __m256i both = _mm512_castsi512_si256(
      _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 0, 2, 4, 6), eights));
  __m256i numbers = _mm256_add_epi64(
      _mm256_mul_epu32(both, _mm256_set1_epi64x(100000000)), _mm256_srli_epi64(both, 32));
  __m256d quotients = _mm256_div_pd(_mm256_cvtepi64_pd(numbers), divisors);
  __mmask8 signs = (__mmask8)_pext_u64(minuses, begins);
  *values = _mm256_mask_xor_pd(quotients, signs, quotients, _mm256_set1_pd(-0.0));
  return (ptrdiff_t)__builtin_ctzll(fourth) + 1;
}

SWERVE_AVX512 __attribute__((always_inline, unused)) static inline void swerve_store_doubles(
    double *values, __m256d four) {
  _mm256_storeu_pd(values, four);
}
SWERVE_AVX512 __attribute__((always_inline, unused)) static inline void swerve_store_floats(
    float *values, __m256d four) {
  _mm_storeu_ps(values, _mm256_cvtpd_ps(four));
}

#define SWERVE_READ_WIDE(KIND, T)                                                               \
  SWERVE_AVX512 __attribute__((unused)) static ptrdiff_t swerve_read_##KIND##_avx512(           \
      const uint8_t *text, ptrdiff_t count, ptrdiff_t *position, const ptrdiff_t *places,       \
      ptrdiff_t column, ptrdiff_t columns, T *values) {                                         \
    ptrdiff_t at = *position;                                                                   \
    for (; column + 4 <= columns && count - at >= 64; column += 4) {                            \
      const ptrdiff_t *p = places + column;                                                     \
      if ((p[0] | p[1] | p[2] | p[3]) < 0) break;                                               \
      __m256d four;                                                                             \
      ptrdiff_t length = swerve_four_decimals(text + at, column + 4 == columns, &four);         \
      if (length == 0) break;                                                                   \
      if (p[1] == p[0] + 1 && p[2] == p[0] + 2 && p[3] == p[0] + 3) {                           \
        swerve_store_##KIND(values + p[0], four);                                               \
      } else {                                                                                  \
        T each[4];                                                                              \
        swerve_store_##KIND(each, four);                                                        \
        for (int i = 0; i < 4; i++) values[p[i]] = each[i];                                     \
      }                                                                                         \
      at += length;                                                                             \
    }                                                                                           \
    *position = at;                                                                             \
    return column == columns ? column : swerve_read_##KIND##_sse41(                             \
        text, count, position, places, column, columns, values);                                \
  }
#else
#define SWERVE_READ_DECIMALS(KIND, T)                                                           \
  __attribute__((unused)) static ptrdiff_t swerve_read_##KIND##_sse41(                          \
      const uint8_t *text, ptrdiff_t count, ptrdiff_t *position, const ptrdiff_t *places,       \
      ptrdiff_t column, ptrdiff_t columns, T *values) {                                         \
    return column;                                                                              \
  }
#define SWERVE_READ_WIDE(KIND, T)                                                               \
  __attribute__((unused)) static ptrdiff_t swerve_read_##KIND##_avx512(                         \
      const uint8_t *text, ptrdiff_t count, ptrdiff_t *position, const ptrdiff_t *places,       \
      ptrdiff_t column, ptrdiff_t columns, T *values) {                                         \
    return column;                                                                              \
  }
#endif

SWERVE_READ_DECIMALS(doubles, double)
SWERVE_READ_DECIMALS(floats, float)
SWERVE_READ_WIDE(doubles, double)
SWERVE_READ_WIDE(floats, float)
