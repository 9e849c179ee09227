// Decision trees over blocks of rows whose values are bytes.
//
// C, because Swift compiles for the oldest x86-64 and has no way to compile one function for a
// newer CPU.
//
// Every node of a tree is asked for all rows at once: one comparison of 64 bytes says which rows go
// to the second child. From the bottom up a node takes over, row by row, the leaf that the child
// found: behind the root stands each row's leaf. No step depends on what a row holds. The leaves'
// values are then added in the order of the trees, one addition a row and tree, so that a row's sum
// has the bits that a walk gives it.
//
// Memory: a cell is SWERVE_ROWS bytes, one for each row. `codes` has a cell for each column,
// `area` one for each leaf number (it holds that number everywhere) and then those that nodes write.
// `sums` has SWERVE_ROWS for each output; in tables their order is `swerve_row_of_…_sum`.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define SWERVE_ROWS 256
#define SWERVE_GROUP 64

/// A question. Rows whose code is greater than the limit go to `second`.
struct swerve_tree_node {
  uint32_t column;
  /// The limit, four times: a vector of it is one load.
  uint32_t limit;
  /// Cells of `area`.
  uint16_t first, second, result;
  uint16_t unused;
};

struct swerve_tree {
  /// Its nodes, children before parents.
  uint32_t node_start, node_end;
  /// Its first leaf, in values.
  uint32_t leaf_start;
  uint32_t group;
  /// The cell that holds each row's leaf when all nodes have been asked.
  uint32_t root;
};

/// How leaf values lie in memory and how they are found.
enum {
  /// One after the other.
  SWERVE_LEAVES_PLAIN = 0,
  /// Tables of 32 or 64 that vectors are permuted by. Of doubles all lower halves come first.
  SWERVE_LEAVES_32 = 1,
  SWERVE_LEAVES_64 = 2,
};

#define SWERVE_INLINE __attribute__((always_inline, unused)) static inline

typedef int8_t swerve_codes __attribute__((vector_size(SWERVE_GROUP), aligned(1), may_alias));

/// Asks all nodes of a tree for `groups` times 64 rows.
SWERVE_INLINE void swerve_ask_any(
    const struct swerve_tree_node *node, const struct swerve_tree_node *end, const int8_t *codes,
    int8_t *area, int groups) {
  for (; node < end; node++) {
    const int8_t *column = codes + (size_t)node->column * SWERVE_ROWS;
    const int8_t *first = area + (size_t)node->first * SWERVE_ROWS;
    const int8_t *second = area + (size_t)node->second * SWERVE_ROWS;
    int8_t *result = area + (size_t)node->result * SWERVE_ROWS;
    int8_t limit = (int8_t)node->limit;
    for (int group = 0; group < groups; group++) {
      swerve_codes code = *(const swerve_codes *)(column + group * SWERVE_GROUP);
      swerve_codes goes = code > limit;
      swerve_codes left = *(const swerve_codes *)(first + group * SWERVE_GROUP);
      swerve_codes right = *(const swerve_codes *)(second + group * SWERVE_GROUP);
      *(swerve_codes *)(result + group * SWERVE_GROUP) = (right & goes) | (left & ~goes);
    }
  }
}

/// Asks and adds, tree by tree. ADD takes a tree's values, 64 leaf numbers and the rows' sums.
#define SWERVE_TREES(NAME, TARGET, T, ASK, ADD)                                                \
  TARGET __attribute__((unused)) static void NAME(                                             \
      const struct swerve_tree_node *nodes, const struct swerve_tree *trees, ptrdiff_t count,  \
      const T *leaves, const int8_t *codes, int8_t *area, T *sums, int groups) {               \
    for (ptrdiff_t tree = 0; tree < count; tree++) {                                           \
      const struct swerve_tree one = trees[tree];                                              \
      if (groups == 4) {                                                                       \
        ASK(nodes + one.node_start, nodes + one.node_end, codes, area, 4);                     \
      } else {                                                                                 \
        ASK(nodes + one.node_start, nodes + one.node_end, codes, area, 1);                     \
      }                                                                                        \
      const int8_t *leaf = area + (size_t)one.root * SWERVE_ROWS;                              \
      T *sum = sums + (size_t)one.group * SWERVE_ROWS;                                         \
      for (int group = 0; group < groups; group++)                                             \
        ADD(leaves + one.leaf_start, leaf + group * SWERVE_GROUP, sum + group * SWERVE_GROUP); \
    }                                                                                          \
  }

#define SWERVE_ADD_PLAIN(values, leaf, sum) \
  for (int row = 0; row < SWERVE_GROUP; row++) (sum)[row] += (values)[(uint8_t)(leaf)[row]]

SWERVE_TREES(swerve_double_any, , double, swerve_ask_any, SWERVE_ADD_PLAIN)
SWERVE_TREES(swerve_float_any, , float, swerve_ask_any, SWERVE_ADD_PLAIN)

#if defined(__x86_64__)
#define SWERVE_256 __attribute__((target("avx2")))
#define SWERVE_512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

SWERVE_TREES(swerve_double_256, SWERVE_256, double, swerve_ask_any, SWERVE_ADD_PLAIN)
SWERVE_TREES(swerve_float_256, SWERVE_256, float, swerve_ask_any, SWERVE_ADD_PLAIN)


SWERVE_512 SWERVE_INLINE void swerve_ask_512(
    const struct swerve_tree_node *node, const struct swerve_tree_node *end, const int8_t *codes,
    int8_t *area, int groups) {
  for (; node < end; node++) {
    const int8_t *column = codes + (size_t)node->column * SWERVE_ROWS;
    const int8_t *first = area + (size_t)node->first * SWERVE_ROWS;
    const int8_t *second = area + (size_t)node->second * SWERVE_ROWS;
    int8_t *result = area + (size_t)node->result * SWERVE_ROWS;
    __m512i limit = _mm512_set1_epi32((int)node->limit);
    _Pragma("unroll") for (int group = 0; group < groups; group++) {
      __mmask64 goes = _mm512_cmpgt_epi8_mask(
          _mm512_loadu_si512(column + group * SWERVE_GROUP), limit);
      __m512i leaf = _mm512_mask_blend_epi8(
          goes, _mm512_loadu_si512(first + group * SWERVE_GROUP),
          _mm512_loadu_si512(second + group * SWERVE_GROUP));
      _mm512_storeu_si512(result + group * SWERVE_GROUP, leaf);
    }
  }
}

/// 16 words of a table of 32 or 64 by the low bits of `index`; the others may be anything.
SWERVE_512 SWERVE_INLINE __m512i swerve_word_512(
    const uint32_t *table, __m512i index, int tables) {
  __m512i word = _mm512_permutex2var_epi32(
      _mm512_loadu_si512(table), index, _mm512_loadu_si512(table + 16));
  if (tables == 1) return word;
  __m512i upper = _mm512_permutex2var_epi32(
      _mm512_loadu_si512(table + 32), index, _mm512_loadu_si512(table + 48));
  return _mm512_mask_mov_epi32(
      word, _mm512_test_epi32_mask(index, _mm512_set1_epi32(32)), upper);
}

/// Adds the values of 64 rows' leaves. Byte `j` of each four is shifted down: 16 rows at a time.
SWERVE_512 SWERVE_INLINE void swerve_add_double_512(
    const uint32_t *table, const int8_t *leaf, double *sum, int tables) {
  __m512i leaves = _mm512_loadu_si512(leaf);
  _Pragma("unroll") for (int j = 0; j < 4; j++) {
    __m512i index = _mm512_srli_epi32(leaves, 8 * j);
    __m512i low = swerve_word_512(table, index, tables);
    __m512i high = swerve_word_512(table + 32 * tables, index, tables);
    __m512d even = _mm512_castsi512_pd(_mm512_unpacklo_epi32(low, high));
    __m512d odd = _mm512_castsi512_pd(_mm512_unpackhi_epi32(low, high));
    double *place = sum + j * 16;
    _mm512_storeu_pd(place, _mm512_add_pd(_mm512_loadu_pd(place), even));
    _mm512_storeu_pd(place + 8, _mm512_add_pd(_mm512_loadu_pd(place + 8), odd));
  }
}

SWERVE_512 SWERVE_INLINE void swerve_add_float_512(
    const uint32_t *table, const int8_t *leaf, float *sum, int tables) {
  __m512i leaves = _mm512_loadu_si512(leaf);
  _Pragma("unroll") for (int j = 0; j < 4; j++) {
    __m512i index = _mm512_srli_epi32(leaves, 8 * j);
    __m512 value = _mm512_castsi512_ps(swerve_word_512(table, index, tables));
    float *place = sum + j * 16;
    _mm512_storeu_ps(place, _mm512_add_ps(_mm512_loadu_ps(place), value));
  }
}

#define SWERVE_ADD_DOUBLE_32(values, leaf, sum) \
  swerve_add_double_512((const uint32_t *)(values), leaf, sum, 1)
#define SWERVE_ADD_DOUBLE_64(values, leaf, sum) \
  swerve_add_double_512((const uint32_t *)(values), leaf, sum, 2)
#define SWERVE_ADD_FLOAT_32(values, leaf, sum) \
  swerve_add_float_512((const uint32_t *)(values), leaf, sum, 1)
#define SWERVE_ADD_FLOAT_64(values, leaf, sum) \
  swerve_add_float_512((const uint32_t *)(values), leaf, sum, 2)

SWERVE_TREES(swerve_double_512, SWERVE_512, double, swerve_ask_512, SWERVE_ADD_PLAIN)
SWERVE_TREES(swerve_double_512_32, SWERVE_512, double, swerve_ask_512, SWERVE_ADD_DOUBLE_32)
SWERVE_TREES(swerve_double_512_64, SWERVE_512, double, swerve_ask_512, SWERVE_ADD_DOUBLE_64)
SWERVE_TREES(swerve_float_512, SWERVE_512, float, swerve_ask_512, SWERVE_ADD_PLAIN)
SWERVE_TREES(swerve_float_512_32, SWERVE_512, float, swerve_ask_512, SWERVE_ADD_FLOAT_32)
SWERVE_TREES(swerve_float_512_64, SWERVE_512, float, swerve_ask_512, SWERVE_ADD_FLOAT_64)
#endif

#define SWERVE_CHOOSE(NAME, T)                                                                 \
  __attribute__((unused)) static inline void swerve_add_##NAME##_trees(                        \
      int level, int form, const struct swerve_tree_node *nodes,                               \
      const struct swerve_tree *trees, ptrdiff_t count, const T *leaves, const int8_t *codes,  \
      int8_t *area, T *sums, int groups) {                                                     \
    SWERVE_CHOOSE_512(NAME)                                                                    \
    swerve_##NAME##_any(nodes, trees, count, leaves, codes, area, sums, groups);               \
  }

#if defined(__x86_64__)
#define SWERVE_CHOOSE_512(NAME)                                                                \
  if (level == 2 && form == SWERVE_LEAVES_32)                                                  \
    return swerve_##NAME##_512_32(nodes, trees, count, leaves, codes, area, sums, groups);     \
  if (level == 2 && form == SWERVE_LEAVES_64)                                                  \
    return swerve_##NAME##_512_64(nodes, trees, count, leaves, codes, area, sums, groups);     \
  if (level == 2)                                                                              \
    return swerve_##NAME##_512(nodes, trees, count, leaves, codes, area, sums, groups);        \
  if (level == 1)                                                                              \
    return swerve_##NAME##_256(nodes, trees, count, leaves, codes, area, sums, groups);
#else
#define SWERVE_CHOOSE_512(NAME)
#endif

/// Adds each tree's leaf to the sums of `groups` times 64 rows; `groups` is 1 or 4. `form` is how
/// `leaves` lie; tables are for level 2 only.
SWERVE_CHOOSE(double, double)
SWERVE_CHOOSE(float, float)

/// The row of 64 whose sum stands at `place` where leaves are tables.
__attribute__((unused)) static inline int swerve_row_of_double_sum(int place) {
  int j = place / 16, half = place / 8 % 2, lane = place % 8;
  return 4 * (4 * (lane / 2) + 2 * half + lane % 2) + j;
}

__attribute__((unused)) static inline int swerve_row_of_float_sum(int place) {
  return 4 * (place % 16) + place / 16;
}

/// The thresholds that one feature is compared with, ascending, infinities behind the last.
struct swerve_ranks {
  const double *thresholds;
  /// Every eighth threshold, infinities behind, in whole vectors of 8; NULL where there are more
  /// than 4 of those.
  const double *pivots;
  ptrdiff_t pivot_vectors;
  /// For each bucket how many thresholds lie in those before it; one entry more than buckets.
  const uint16_t *first_ranks;
  /// A value's bucket is `(value - lowest) * scale`, cut, between 0 and `last_bucket`. Rounding keeps
  /// the order, so what has a lower bucket is less.
  double lowest, scale, last_bucket;
  /// Values no farther from 0 are taken for 0; negative: none is.
  double zero_limit;
  /// Thresholds that a bucket has at most.
  int32_t steps;
  /// NaN's.
  int32_t nan_rank;
  /// Cells of codes, each for 255 thresholds.
  int32_t columns;
};

SWERVE_INLINE int32_t swerve_rank_of(double value, const struct swerve_ranks *ranks) {
  if (value <= ranks->zero_limit && value >= -ranks->zero_limit) value = 0;
  double place = (value - ranks->lowest) * ranks->scale;
  // Also for NaN, which no comparison is true of.
  place = place > 0 ? place : 0;
  place = place < ranks->last_bucket ? place : ranks->last_bucket;
  int32_t rank = ranks->first_ranks[(int32_t)place];
  for (int32_t step = 0; step < ranks->steps; step++)
    rank += ranks->thresholds[rank] < value;
  return value != value ? ranks->nan_rank : rank;
}

/// A rank's code in one of its feature's columns.
SWERVE_INLINE int8_t swerve_code_in(int32_t rank, int32_t column) {
  int32_t code = rank - 255 * column;
  code = code < 0 ? 0 : code > 255 ? 255 : code;
  return (int8_t)(code - 128);
}

#define SWERVE_RANK_ANY(NAME, T)                                                               \
  __attribute__((unused)) static void NAME(                                                    \
      const T *values, ptrdiff_t stride, ptrdiff_t count, const struct swerve_ranks *ranks,    \
      int8_t *codes) {                                                                         \
    for (ptrdiff_t row = 0; row < count; row++) {                                              \
      int32_t rank = swerve_rank_of((double)values[row * stride], ranks);                      \
      for (int32_t column = 0; column < ranks->columns; column++)                              \
        codes[column * SWERVE_ROWS + row] = swerve_code_in(rank, column);                      \
    }                                                                                          \
  }

SWERVE_RANK_ANY(swerve_rank_double_any, double)
SWERVE_RANK_ANY(swerve_rank_float_any, float)

#if defined(__x86_64__)
/// How many of 8 doubles are less.
SWERVE_512 SWERVE_INLINE unsigned swerve_less_512(const double *place, __m512d value) {
  return _mm512_cmp_pd_mask(_mm512_loadu_pd(place), value, _CMP_LT_OQ);
}

/// A value's rank is found by comparing it with all pivots and then with the 8 thresholds of its
/// stretch: no branch, and no gather, which costs ten times as much where it is made safe.
SWERVE_512 SWERVE_INLINE int8_t swerve_code_512(
    double number, const struct swerve_ranks *ranks, int pivot_vectors) {
  if (number <= ranks->zero_limit && number >= -ranks->zero_limit) number = 0;
  __m512d value = _mm512_set1_pd(number);
  unsigned less = 0;
  _Pragma("unroll") for (int vector = 0; vector < pivot_vectors; vector++)
    less |= swerve_less_512(ranks->pivots + 8 * vector, value) << (8 * vector);
  int stretch = 8 * __builtin_popcount(less);
  int rank = stretch + __builtin_popcount(swerve_less_512(ranks->thresholds + stretch, value));
  rank = number != number ? ranks->nan_rank : rank;
  return (int8_t)((rank > 255 ? 255 : rank) - 128);
}

#define SWERVE_RANK_512(NAME, T)                                                               \
  SWERVE_512 __attribute__((unused)) static void NAME(                                         \
      const T *values, ptrdiff_t stride, ptrdiff_t count, const struct swerve_ranks *ranks,    \
      int8_t *codes) {                                                                         \
    if (ranks->pivot_vectors == 1) {                                                           \
      for (ptrdiff_t row = 0; row < count; row++)                                              \
        codes[row] = swerve_code_512((double)values[row * stride], ranks, 1);                  \
    } else if (ranks->pivot_vectors == 2) {                                                    \
      for (ptrdiff_t row = 0; row < count; row++)                                              \
        codes[row] = swerve_code_512((double)values[row * stride], ranks, 2);                  \
    } else {                                                                                   \
      for (ptrdiff_t row = 0; row < count; row++)                                              \
        codes[row] = swerve_code_512((double)values[row * stride], ranks, 4);                  \
    }                                                                                          \
  }

SWERVE_RANK_512(swerve_rank_double_512, double)
SWERVE_RANK_512(swerve_rank_float_512, float)
#endif

/// Writes the codes of `count` values that lie `stride` apart.
__attribute__((unused)) static inline void swerve_rank_doubles(
    int level, const double *values, ptrdiff_t stride, ptrdiff_t count,
    const struct swerve_ranks *ranks, int8_t *codes) {
#if defined(__x86_64__)
  if (level == 2 && ranks->pivots) return swerve_rank_double_512(values, stride, count, ranks, codes);
#endif
  swerve_rank_double_any(values, stride, count, ranks, codes);
}

__attribute__((unused)) static inline void swerve_rank_floats(
    int level, const float *values, ptrdiff_t stride, ptrdiff_t count,
    const struct swerve_ranks *ranks, int8_t *codes) {
#if defined(__x86_64__)
  if (level == 2 && ranks->pivots) return swerve_rank_float_512(values, stride, count, ranks, codes);
#endif
  swerve_rank_float_any(values, stride, count, ranks, codes);
}

/// 2: vectors of 512 bits. 1: of 256. 0: whatever there is.
__attribute__((unused)) static int swerve_tree_level(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq"))
    return 2;
  if (__builtin_cpu_supports("avx2")) return 1;
#endif
  return 0;
}
