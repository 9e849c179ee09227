// Decision trees for one row, or for a few.
//
// As in `tree_kernel.h` values are bytes: a node asks whether the code of its column is greater than
// its limit. Where there are few rows, the lanes of a vector are trees.
//
// Bundles: 64 trees, one lane each. A tree's questions stand in an order in which parents come before
// children, and a leaf's number is that of the question whose second child it is the first leaf of,
// counted from 1; the tree's first leaf is 0. `reached` holds each tree's leaf so far: the first one
// of the part that is still in question. A row that goes to the second child of question j, and has
// come to it, which is where `reached` is the question's own first leaf, goes on to leaf j + 1. All
// rows take the same steps: one permutation of the row's codes by 64 trees' columns, two
// comparisons, one blend.
//
// Leaves are added in the order of the trees, one addition a row and tree.
#pragma once

#include "tree_kernel.h"

#define SWERVE_BUNDLE 64
/// Rows that go through bundles together.
#define SWERVE_FEW 4
/// Codes of one row at most, where rows lie one behind the other.
#define SWERVE_ROW_CODES 256

/// One question of each tree of a bundle. Where a tree has none, the limit is 127.
struct swerve_question {
  uint8_t column[SWERVE_BUNDLE];
  int8_t limit[SWERVE_BUNDLE];
  /// The first leaf below the question.
  uint8_t from[SWERVE_BUNDLE];
};

struct swerve_bundle {
  uint32_t question_start, question_end;
};

/// Trees in bundles, 64 by 64 in their order.
struct swerve_row_trees {
  const struct swerve_question *questions;
  const struct swerve_bundle *bundles;
  /// Where each tree's leaves begin.
  const uint32_t *leaf_starts;
  /// Each tree's output; NULL where there is one.
  const uint16_t *outputs;
  ptrdiff_t tree_count, output_count, bundle_count;
};

/// Where one question of values has its ranks: `swerve_ranks` with places for addresses.
struct swerve_source {
  uint32_t feature, first_column;
  uint32_t thresholds, pivots, buckets;
  /// 0: there are none.
  int32_t pivot_vectors;
  int32_t steps, nan_rank, columns;
  double lowest, scale, last_bucket, zero_limit;
};

#define SWERVE_ADD_ROWS(NAME, T)                                                               \
  /* Adds the leaves of `count` trees from `tree` on. */                                       \
  SWERVE_INLINE void NAME(                                                                     \
      const struct swerve_row_trees *trees, ptrdiff_t tree, ptrdiff_t count, const T *leaves,  \
      const uint8_t *reached, T *sums, int rows) {                                             \
    if (trees->outputs) {                                                                      \
      for (ptrdiff_t next = 0; next < count; next++) {                                         \
        const T *values = leaves + trees->leaf_starts[tree + next];                            \
        T *sum = sums + trees->outputs[tree + next];                                           \
        _Pragma("unroll") for (int row = 0; row < rows; row++)                                 \
          sum[row * trees->output_count] += values[reached[row * SWERVE_BUNDLE + next]];       \
      }                                                                                        \
      return;                                                                                  \
    }                                                                                          \
    T sum[SWERVE_FEW];                                                                         \
    _Pragma("unroll") for (int row = 0; row < rows; row++) sum[row] = sums[row];               \
    for (ptrdiff_t next = 0; next < count; next++) {                                           \
      const T *values = leaves + trees->leaf_starts[tree + next];                              \
      _Pragma("unroll") for (int row = 0; row < rows; row++)                                   \
        sum[row] += values[reached[row * SWERVE_BUNDLE + next]];                               \
    }                                                                                          \
    _Pragma("unroll") for (int row = 0; row < rows; row++) sums[row] = sum[row];               \
  }

SWERVE_ADD_ROWS(swerve_add_rows_double, double)
SWERVE_ADD_ROWS(swerve_add_rows_float, float)

#if defined(__x86_64__)
#define SWERVE_VBMI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vbmi")))

/// The codes of 64 columns; `vectors` of 64 codes each hold the row's.
SWERVE_VBMI SWERVE_INLINE __m512i swerve_codes_of(
    const __m512i *row, __m512i column, int vectors) {
  if (vectors == 1) return _mm512_permutexvar_epi8(column, row[0]);
  __m512i low = _mm512_permutex2var_epi8(row[0], column, row[1]);
  if (vectors == 2) return low;
  __m512i high = _mm512_permutex2var_epi8(row[2], column, row[3]);
  return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(column), high);
}

/// Asks the questions of `bundles` bundles, which stand side by side.
SWERVE_VBMI SWERVE_INLINE void swerve_ask_bundles(
    const struct swerve_question *questions, const struct swerve_bundle *bundle, int bundles,
    const int8_t *codes, int rows, int vectors, uint8_t *reached) {
  __m512i row[SWERVE_FEW][4], leaf[SWERVE_FEW][2];
  _Pragma("unroll") for (int one = 0; one < rows; one++) {
    _Pragma("unroll") for (int vector = 0; vector < vectors; vector++)
      row[one][vector] = _mm512_loadu_si512(codes + one * SWERVE_ROW_CODES + vector * 64);
    leaf[one][0] = leaf[one][1] = _mm512_setzero_si512();
  }
  const struct swerve_question *first = questions + bundle[0].question_start;
  ptrdiff_t count = bundle[0].question_end - bundle[0].question_start;
  const __m512i ones = _mm512_set1_epi8(1);
  __m512i next = ones;
  for (ptrdiff_t index = 0; index < count; index++) {
    _Pragma("unroll") for (int one = 0; one < bundles; one++) {
      const struct swerve_question *question = first + one * count + index;
      __m512i column = _mm512_loadu_si512(question->column);
      __m512i limit = _mm512_loadu_si512(question->limit);
      __m512i from = _mm512_loadu_si512(question->from);
      _Pragma("unroll") for (int which = 0; which < rows; which++) {
        __m512i code = swerve_codes_of(row[which], column, vectors);
        __mmask64 goes = _mm512_cmpgt_epi8_mask(code, limit);
        __mmask64 is_here = _mm512_mask_cmpeq_epi8_mask(goes, leaf[which][one], from);
        leaf[which][one] = _mm512_mask_mov_epi8(leaf[which][one], is_here, next);
      }
    }
    next = _mm512_add_epi8(next, ones);
  }
  _Pragma("unroll") for (int one = 0; one < bundles; one++) {
    _Pragma("unroll") for (int which = 0; which < rows; which++)
      _mm512_storeu_si512(reached + (one * rows + which) * SWERVE_BUNDLE, leaf[which][one]);
  }
}

/// Bundle by bundle; two at once where one row is asked, since a blend waits for the one before. A pair
/// has as many questions in either.
#define SWERVE_BUNDLES(NAME, T, ADD)                                                           \
  SWERVE_VBMI SWERVE_INLINE void NAME##_of(                                                    \
      const struct swerve_row_trees *trees, ptrdiff_t start, ptrdiff_t end, const T *leaves,   \
      const int8_t *codes, T *sums, int rows, int vectors, int at_once) {                      \
    uint8_t reached[2 * SWERVE_FEW * SWERVE_BUNDLE];                                           \
    for (ptrdiff_t bundle = start; bundle < end; bundle += at_once) {                          \
      swerve_ask_bundles(                                                                      \
          trees->questions, trees->bundles + bundle, at_once, codes, rows, vectors, reached);  \
      for (int one = 0; one < at_once; one++) {                                                \
        ptrdiff_t tree = (bundle + one) * SWERVE_BUNDLE;                                       \
        ptrdiff_t left = trees->tree_count - tree;                                             \
        ADD(trees, tree, left < SWERVE_BUNDLE ? left : SWERVE_BUNDLE, leaves,                  \
            reached + one * rows * SWERVE_BUNDLE, sums, rows);                                 \
      }                                                                                        \
    }                                                                                          \
  }                                                                                            \
  SWERVE_VBMI __attribute__((unused)) static void NAME(                                        \
      const struct swerve_row_trees *trees, const T *leaves, const int8_t *codes, T *sums,     \
      int rows, int vectors) {                                                                 \
    ptrdiff_t count = trees->bundle_count, pairs = count & ~(ptrdiff_t)1;                      \
    if (rows == SWERVE_FEW && vectors == 1) {                                                  \
      NAME##_of(trees, 0, count, leaves, codes, sums, SWERVE_FEW, 1, 1);                       \
    } else if (rows == SWERVE_FEW) {                                                           \
      NAME##_of(trees, 0, count, leaves, codes, sums, SWERVE_FEW, 4, 1);                       \
    } else if (vectors == 1) {                                                                 \
      NAME##_of(trees, 0, pairs, leaves, codes, sums, 1, 1, 2);                                \
      NAME##_of(trees, pairs, count, leaves, codes, sums, 1, 1, 1);                            \
    } else {                                                                                   \
      NAME##_of(trees, 0, pairs, leaves, codes, sums, 1, 4, 2);                                \
      NAME##_of(trees, pairs, count, leaves, codes, sums, 1, 4, 1);                            \
    }                                                                                          \
  }

SWERVE_BUNDLES(swerve_bundles_double, double, swerve_add_rows_double)
SWERVE_BUNDLES(swerve_bundles_float, float, swerve_add_rows_float)

/// Writes the codes of one row.
#define SWERVE_RANK_ROW(NAME, T)                                                               \
  SWERVE_VBMI __attribute__((unused)) static void NAME(                                        \
      const T *row, const struct swerve_source *sources, ptrdiff_t count,                      \
      const double *thresholds, const uint16_t *first_ranks, int8_t *codes) {                  \
    for (ptrdiff_t index = 0; index < count; index++) {                                        \
      const struct swerve_source *source = sources + index;                                    \
      const struct swerve_ranks ranks = {                                                      \
          .thresholds = thresholds + source->thresholds, .pivots = thresholds + source->pivots, \
          .first_ranks = first_ranks + source->buckets, .lowest = source->lowest,              \
          .scale = source->scale, .last_bucket = source->last_bucket,                          \
          .zero_limit = source->zero_limit, .steps = source->steps,                            \
          .nan_rank = source->nan_rank, .columns = source->columns};                           \
      double value = (double)row[source->feature];                                             \
      int8_t *code = codes + source->first_column;                                             \
      if (source->pivot_vectors == 1) {                                                        \
        *code = swerve_code_512(value, &ranks, 1);                                             \
      } else if (source->pivot_vectors) {                                                      \
        *code = source->pivot_vectors == 2 ? swerve_code_512(value, &ranks, 2)                 \
                                           : swerve_code_512(value, &ranks, 4);                \
      } else {                                                                                 \
        int32_t rank = swerve_rank_of(value, &ranks);                                          \
        for (int32_t column = 0; column < ranks.columns; column++)                             \
          code[column] = swerve_code_in(rank, column);                                         \
      }                                                                                        \
    }                                                                                          \
  }

SWERVE_RANK_ROW(swerve_rank_row_double, double)
SWERVE_RANK_ROW(swerve_rank_row_float, float)
#endif

/// Whether this CPU permutes bytes: else there are no bundles.
__attribute__((unused)) static int swerve_has_bundles(void) {
#if defined(__x86_64__)
  return swerve_tree_level() == 2 && __builtin_cpu_supports("avx512vbmi");
#else
  return 0;
#endif
}

#if defined(__x86_64__)
#define SWERVE_ON_BUNDLES(CALL) CALL
#else
#define SWERVE_ON_BUNDLES(CALL)
#endif

/// Adds the leaves of all trees to the sums of `rows` rows, 1 or SWERVE_FEW, whose codes lie
/// SWERVE_ROW_CODES apart, in one vector or in four. Only where `swerve_has_bundles`.
#define SWERVE_ROWS_OF(NAME, T)                                                                \
  __attribute__((unused)) static inline void swerve_add_##NAME##_rows(                         \
      const struct swerve_row_trees *trees, const T *leaves, const int8_t *codes, T *sums,     \
      int rows, int vectors) {                                                                 \
    SWERVE_ON_BUNDLES(swerve_bundles_##NAME(trees, leaves, codes, sums, rows, vectors);)       \
  }                                                                                            \
  __attribute__((unused)) static inline void swerve_encode_##NAME##_row(                       \
      const T *row, const struct swerve_source *sources, ptrdiff_t count,                      \
      const double *thresholds, const uint16_t *first_ranks, int8_t *codes) {                  \
    SWERVE_ON_BUNDLES(                                                                         \
        swerve_rank_row_##NAME(row, sources, count, thresholds, first_ranks, codes);)          \
  }

SWERVE_ROWS_OF(double, double)
SWERVE_ROWS_OF(float, float)
