// Rows of decimals as tables hold them, `-0.8692932,1.5,7`, or lists of JSON, `-0.8692932, 1.5, 7]`,
// read 16 or 64 bytes at a time.
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
static const double swerve_powers_of_ten[23] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
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

#define SWERVE_READ_JSON_SSE41(KIND, T)                                                         \
  SWERVE_SSE41 __attribute__((unused)) static ptrdiff_t swerve_read_json_##KIND##_sse41(        \
      const uint8_t *text, ptrdiff_t count, ptrdiff_t *position, ptrdiff_t column,              \
      ptrdiff_t columns, T *values) {                                                           \
    ptrdiff_t at = *position;                                                                   \
    for (; column < columns && count - at >= 40; column++) {                                    \
      const uint8_t *first = text + at + (text[at] == ' ');                                     \
      const uint8_t *digit = first + (*first == '-');                                           \
      double value;                                                                             \
      ptrdiff_t length = swerve_decimal(first, &value);                                         \
      if (length == 0 || (*digit == '0' && (uint8_t)(digit[1] - '0') < 10)) break;              \
      if (first[length] != (column + 1 < columns ? ',' : ']')) break;                           \
      at = first + length + 1 - text;                                                           \
      values[column] = (T)value;                                                                \
    }                                                                                           \
    *position = at;                                                                             \
    return column;                                                                              \
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
/// they take with what ends them; 0 where one of them is none of the common form. In JSON a space may
/// stand before each, a list ends in a bracket, and no number begins with a zero that it does not need.
SWERVE_AVX512 __attribute__((always_inline, unused)) static inline ptrdiff_t swerve_four_decimals(
    const uint8_t *text, int is_last, int is_json, __m256d *values) {
  const double *powers = swerve_powers_of_ten;
  __m512i bytes = _mm512_loadu_si512(text);
  __m512i digits = _mm512_sub_epi8(bytes, _mm512_set1_epi8('0'));
  uint64_t commas = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(','));
  uint64_t lines = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(is_json ? ']' : '\n'));
  // The first four ends of cells, and all bytes up to the fourth.
  uint64_t second = _blsr_u64(commas | lines), third = _blsr_u64(second), fourth = _blsr_u64(third);
  if (fourth == 0) return 0;
  uint64_t all = _blsmsk_u64(fourth), last = fourth & (0 - fourth);
  commas &= all;
  lines &= all;
  uint64_t ends = commas | lines, begins = ((ends << 1) | 1) & all, spaces = 0;
  if (is_json) {
    spaces = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(' ')) & begins;
    begins = (begins ^ spaces) | spaces << 1;
  }
  uint64_t numerals = _mm512_cmple_epu8_mask(digits, _mm512_set1_epi8(9)) & all;
  uint64_t points = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('.')) & all;
  uint64_t minuses = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('-')) & begins;
  // From each point to the end of its number.
  uint64_t behind = (ends - points) & numerals;
  uint64_t wrong = all ^ (numerals | points | minuses | ends | spaces);
  wrong |= lines ^ (is_last ? last : 0);
  // Behind a beginning, a minus and a point there is a digit, and before a point.
  wrong |= ((begins ^ minuses) | minuses << 1 | points << 1 | points >> 1) & ~numerals;
  // The digits behind a point go on to the end.
  wrong |= ((points << 1) + numerals) & ~(numerals | ends);
  if (is_json) {
    uint64_t firsts = (begins ^ minuses) | minuses << 1;
    uint64_t zeros = _mm512_cmpeq_epi8_mask(digits, _mm512_setzero_si512());
    wrong |= (firsts & zeros) << 1 & numerals;
  }
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

/// The upper and lower 64 bits of 5^-n, its highest bit moved to the top, rounded up.
static const uint64_t swerve_reciprocals_of_five[24][2] = {
    {0x8000000000000000, 0x0000000000000000},
    {0xCCCCCCCCCCCCCCCC, 0xCCCCCCCCCCCCCCCC},
    {0xA3D70A3D70A3D70A, 0x3D70A3D70A3D70A3},
    {0x83126E978D4FDF3B, 0x645A1CAC083126E9},
    {0xD1B71758E219652B, 0xD3C36113404EA4A8},
    {0xA7C5AC471B478423, 0x0FCF80DC33721D53},
    {0x8637BD05AF6C69B5, 0xA63F9A49C2C1B10F},
    {0xD6BF94D5E57A42BC, 0x3D32907604691B4C},
    {0xABCC77118461CEFC, 0xFDC20D2B36BA7C3D},
    {0x89705F4136B4A597, 0x31680A88F8953030},
    {0xDBE6FECEBDEDD5BE, 0xB573440E5A884D1B},
    {0xAFEBFF0BCB24AAFE, 0xF78F69A51539D748},
    {0x8CBCCC096F5088CB, 0xF93F87B7442E45D3},
    {0xE12E13424BB40E13, 0x2865A5F206B06FB9},
    {0xB424DC35095CD80F, 0x538484C19EF38C94},
    {0x901D7CF73AB0ACD9, 0x0F9D37014BF60A10},
    {0xE69594BEC44DE15B, 0x4C2EBE687989A9B3},
    {0xB877AA3236A4B449, 0x09BEFEB9FAD487C2},
    {0x9392EE8E921D5D07, 0x3AFF322E62439FCF},
    {0xEC1E4A7DB69561A5, 0x2B31E9E3D06C32E5},
    {0xBCE5086492111AEA, 0x88F4BB1CA6BCF584},
    {0x971DA05074DA7BEE, 0xD3F6FC16EBCA5E03},
    {0xF1C90080BAF72CB1, 0x5324C68B12DD6338},
    {0xC16D9A0095928A27, 0x75B7053C0F178293},
};

/// The number that begins at `text`, of which 34 bytes are there, with so many digits as fit 64 bits.
/// Returns how many bytes it takes; 0 for what is none of the common form, or hard to round.
///
/// Where the digits are no double the product with a power of five decides (Eisel and Lemire), as in
/// `NumberScanner`.
SWERVE_AVX512 __attribute__((always_inline, unused)) static inline ptrdiff_t swerve_long_decimal(
    const uint8_t *text, double *value) {
  int sign = text[0] == '-';
  __m256i digits =
      _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(text + sign)), _mm256_set1_epi8('0'));
  uint32_t numerals = _mm256_cmple_epu8_mask(digits, _mm256_set1_epi8(9));
  uint32_t others = ~numerals;
  if (others == 0) return 0;
  int whole = __builtin_ctz(others), end = whole, fraction = 0;
  if (text[sign + whole] == '.') {
    others &= others - 1;
    if (others == 0) return 0;
    end = __builtin_ctz(others);
    fraction = end - whole - 1;
    if (fraction == 0) return 0;
  }
  if (whole == 0 || (whole > 1 && text[sign] == '0')) return 0;
  int count = fraction == 0 ? whole : end - 1;
  if (count > 24) return 0;
  uint32_t lanes = count == 0 ? 0 : 0xFFFFFFFFu << (32 - count);
  digits = _mm256_maskz_compress_epi8(numerals & ((1u << end) - 1), digits);
  digits = _mm256_maskz_expand_epi8(lanes, digits);
  __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(10 | 1 << 8));
  __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(100 | 1 << 16));
  fours = _mm256_packus_epi32(fours, fours);
  __m256i eights = _mm256_madd_epi16(fours, _mm256_set1_epi32(10000 | 1 << 16));
  uint64_t high = (uint64_t)_mm256_extract_epi64(eights, 0);
  uint64_t low = (uint64_t)_mm256_extract_epi64(eights, 2);
  high = (high & 0xFFFFFFFF) * 100000000 + (high >> 32);
  low = (low & 0xFFFFFFFF) * 100000000 + (low >> 32);
  // 2^64 is 1844.67 × 10^16.
  if (high > 1843) return 0;
  uint64_t number = high * 10000000000000000 + low, bits;
  if (number <= (uint64_t)1 << 53 && fraction <= 22) {
    double result = (double)(int64_t)number / swerve_powers_of_ten[fraction];
    memcpy(&bits, &result, sizeof bits);
  } else {
    int zeros = __builtin_clzll(number);
    unsigned __int128 product =
        (unsigned __int128)(number << zeros) * swerve_reciprocals_of_five[fraction][0];
    uint64_t upper = (uint64_t)(product >> 64), lower = (uint64_t)product;
    // The lower half of the power could still change it, or it may lie half way.
    if ((upper & 0x1FF) == 0x1FF || lower <= 1) return 0;
    int upper_bit = (int)(upper >> 63);
    uint64_t mantissa = upper >> (upper_bit + 9);
    int power = ((217706 * -fraction) >> 16) + 63 + upper_bit - zeros + 1023;
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    if (mantissa >= (uint64_t)1 << 53) {
      mantissa = (uint64_t)1 << 52;
      power++;
    }
    bits = (mantissa & (((uint64_t)1 << 52) - 1)) | (uint64_t)power << 52;
  }
  bits |= (uint64_t)sign << 63;
  memcpy(value, &bits, sizeof bits);
  return sign + end;
}

#define SWERVE_READ_JSON_AVX512(KIND, T)                                                        \
  SWERVE_AVX512 __attribute__((unused)) static ptrdiff_t swerve_read_json_##KIND##_avx512(      \
      const uint8_t *text, ptrdiff_t count, ptrdiff_t *position, ptrdiff_t column,              \
      ptrdiff_t columns, T *values) {                                                           \
    ptrdiff_t at = *position;                                                                   \
    for (; column + 4 <= columns && count - at >= 64; column += 4) {                            \
      __m256d four;                                                                             \
      ptrdiff_t length = swerve_four_decimals(text + at, column + 4 == columns, 1, &four);      \
      if (length == 0) break;                                                                   \
      swerve_store_##KIND(values + column, four);                                               \
      at += length;                                                                             \
    }                                                                                           \
    for (; column < columns && count - at >= 40; column++) {                                    \
      const uint8_t *first = text + at + (text[at] == ' ');                                     \
      double value;                                                                             \
      ptrdiff_t length = swerve_long_decimal(first, &value);                                    \
      if (length == 0 || first[length] != (column + 1 < columns ? ',' : ']')) break;            \
      at = first + length + 1 - text;                                                           \
      values[column] = (T)value;                                                                \
    }                                                                                           \
    *position = at;                                                                             \
    return column;                                                                              \
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
      ptrdiff_t length = swerve_four_decimals(text + at, column + 4 == columns, 0, &four);         \
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
#define SWERVE_READ_JSON(KIND, T, LEVEL)                                                        \
  __attribute__((unused)) static ptrdiff_t swerve_read_json_##KIND##_##LEVEL(                   \
      const uint8_t *text, ptrdiff_t count, ptrdiff_t *position, ptrdiff_t column,              \
      ptrdiff_t columns, T *values) {                                                           \
    return column;                                                                              \
  }
#define SWERVE_READ_JSON_SSE41(KIND, T) SWERVE_READ_JSON(KIND, T, sse41)
#define SWERVE_READ_JSON_AVX512(KIND, T) SWERVE_READ_JSON(KIND, T, avx512)
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

// A list's numbers from `column` on: `text[*position]` is the first byte of a number, or the space
// before it. Returns the first that was not read, `*position` being where that begins; all of them
// with `*position` behind the bracket.
SWERVE_READ_JSON_SSE41(doubles, double)
SWERVE_READ_JSON_SSE41(floats, float)
SWERVE_READ_JSON_AVX512(doubles, double)
SWERVE_READ_JSON_AVX512(floats, float)
