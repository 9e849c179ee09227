// Rows of decimals as tables hold them, `-0.8692932,1.5,7`, read 16 bytes at a time.
//
// C, because Swift compiles for the oldest x86-64 and has no way to compile one function for a
// newer CPU.
//
// One comparison of 16 bytes says where a number's point and its end are. One permutation takes the
// point out and moves the digits to the end of a vector, and three multiplications join them to one
// integer. It has at most 15 digits, so it and the power of ten are both doubles, and their quotient
// is the nearest one (Clinger 1990). No step depends on how many digits a number has.
// Source: the permutation and the multiplications are those of W. Mula, "SIMD-ized conversion of
// strings to integers" (2014).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/// Whether this CPU has what `swerve_read_…` needs; without it those read nothing.
__attribute__((unused)) static inline int swerve_has_decimals(void) {
#if defined(__x86_64__)
  return __builtin_cpu_supports("sse4.1") != 0;
#else
  return 0;
#endif
}

#if defined(__x86_64__)
#define SWERVE_SSE41 __attribute__((target("sse4.1")))

/// The number that begins at `text`, of which 17 bytes are there. Returns how many bytes it takes; 0
/// for what is none of the common form.
SWERVE_SSE41 __attribute__((always_inline, unused)) static inline ptrdiff_t swerve_decimal(
    const uint8_t *text, double *value) {
  static const double powers[16] = {
      1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
  };
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
  double result = (double)number / powers[fraction];
  uint64_t bits;
  memcpy(&bits, &result, sizeof bits);
  bits |= (uint64_t)sign << 63;
  memcpy(value, &bits, sizeof bits);
  return sign + end;
}

#define SWERVE_READ_DECIMALS(NAME, T)                                                           \
  SWERVE_SSE41 __attribute__((unused)) static ptrdiff_t NAME##_sse41(                           \
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
#else
#define SWERVE_READ_DECIMALS(NAME, T)                                                           \
  __attribute__((unused)) static ptrdiff_t NAME##_sse41(                                        \
      const uint8_t *text, ptrdiff_t count, ptrdiff_t *position, const ptrdiff_t *places,       \
      ptrdiff_t column, ptrdiff_t columns, T *values) {                                         \
    return column;                                                                              \
  }
#endif

SWERVE_READ_DECIMALS(swerve_read_doubles, double)
SWERVE_READ_DECIMALS(swerve_read_floats, float)
