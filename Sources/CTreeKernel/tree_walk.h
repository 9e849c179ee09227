// Decision trees walked side by side: for large trees, and for a few rows on CPUs that have no
// bundles (`tree_rows.h`).
//
// Eight walks go on at a time, of one row through eight trees or of eight rows through one tree. What
// a comparison says is added to a node's place: nothing is guessed, and while one walk waits for
// memory the others go on. A walk that has come to its leaf stays there until all have.
//
// A node's `slot` says where its value lies: a row is spread to two values a feature, of which the
// first has -infinity for NaN and the second infinity. Either goes where NaN would.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define SWERVE_WALKS 8
#define SWERVE_WALK_INLINE __attribute__((always_inline, unused)) static inline

struct swerve_float_node {
  /// What the value is compared with; a leaf's value.
  float threshold;
  /// Twice the feature, and 1 where NaN goes to the second child; -1 in a leaf.
  int32_t slot;
  /// The child for "true", the other one follows it; a leaf's number.
  int32_t first;
  /// Not asked here.
  uint32_t rules;
};

struct swerve_double_node {
  double threshold;
  int32_t slot;
  int32_t first;
  uint32_t rules;
  uint32_t unused;
};

/// One step of walk `i`; `lanes` values of one slot lie side by side.
#define SWERVE_STEP(i, ASKS)                                                                   \
  {                                                                                            \
    int32_t slot = nodes[at[i]].slot;                                                          \
    int32_t leaf = slot >> 31;                                                                 \
    uint32_t next = (uint32_t)nodes[at[i]].first +                                             \
                    !(values[(ptrdiff_t)(slot & ~leaf) * lanes + (lanes > 1 ? i : 0)] ASKS      \
                          nodes[at[i]].threshold);                                             \
    at[i] = leaf ? at[i] : next;                                                               \
    done &= leaf;                                                                              \
  }

#define SWERVE_STEPS(ASKS)                                                                     \
  SWERVE_STEP(0, ASKS)                                                                         \
  SWERVE_STEP(1, ASKS)                                                                         \
  SWERVE_STEP(2, ASKS)                                                                         \
  SWERVE_STEP(3, ASKS)                                                                         \
  SWERVE_STEP(4, ASKS)                                                                         \
  SWERVE_STEP(5, ASKS)                                                                         \
  SWERVE_STEP(6, ASKS)                                                                         \
  SWERVE_STEP(7, ASKS)

#define SWERVE_WALK(NAME, T, NODE, ASKS)                                                       \
  /* From the nodes `at` to the leaves `at`. */                                                \
  SWERVE_WALK_INLINE void swerve_walk_##NAME(                                                  \
      const struct NODE *nodes, const T *values, uint32_t *reached, int lanes) {               \
    uint32_t at[SWERVE_WALKS];                                                                 \
    for (int i = 0; i < SWERVE_WALKS; i++) at[i] = reached[i];                                 \
    int32_t done;                                                                              \
    do {                                                                                       \
      done = -1;                                                                               \
      SWERVE_STEPS(ASKS)                                                                       \
      done = -1;                                                                               \
      SWERVE_STEPS(ASKS)                                                                       \
    } while (!done);                                                                           \
    for (int i = 0; i < SWERVE_WALKS; i++) reached[i] = at[i];                                 \
  }                                                                                            \
                                                                                               \
  /* The leaf of each of `count` trees that a row reaches; `values` is the row, spread. */     \
  __attribute__((unused)) static void swerve_walk_row_##NAME(                                  \
      const struct NODE *nodes, const int32_t *roots, ptrdiff_t count, const T *values,        \
      uint32_t *reached) {                                                                     \
    for (ptrdiff_t tree = 0; tree < count; tree += SWERVE_WALKS) {                             \
      uint32_t at[SWERVE_WALKS];                                                               \
      for (ptrdiff_t i = 0; i < SWERVE_WALKS; i++)                                             \
        at[i] = (uint32_t)roots[tree + i < count ? tree + i : count - 1];                      \
      swerve_walk_##NAME(nodes, values, at, 1);                                                \
      for (ptrdiff_t i = 0; i < SWERVE_WALKS && tree + i < count; i++)                         \
        reached[tree + i] = at[i];                                                             \
    }                                                                                          \
  }                                                                                            \
                                                                                               \
  /* The leaf of one tree that each of eight rows reaches; `values` are the rows, spread side  \
     by side. */                                                                               \
  __attribute__((unused)) static void swerve_walk_rows_##NAME(                                 \
      const struct NODE *nodes, int32_t root, const T *values, uint32_t *reached) {            \
    for (int i = 0; i < SWERVE_WALKS; i++) reached[i] = (uint32_t)root;                        \
    swerve_walk_##NAME(nodes, values, reached, SWERVE_WALKS);                                  \
  }                                                                                            \
                                                                                               \
  /* Writes a row's two values a feature, `lanes` apart. What is no farther from 0 than        \
     `zero_limit` becomes 0. */                                                                \
  __attribute__((unused)) static void swerve_spread_##NAME(                                    \
      const T *row, ptrdiff_t features, T zero_limit, T *values, ptrdiff_t lanes) {            \
    for (ptrdiff_t feature = 0; feature < features; feature++) {                               \
      T value = row[feature];                                                                  \
      value = value <= zero_limit && value >= -zero_limit ? 0 : value;                         \
      T low = value == value ? value : -(T)__builtin_inf();                                    \
      T high = value == value ? value : (T)__builtin_inf();                                    \
      values[2 * feature * lanes] = low;                                                       \
      values[(2 * feature + 1) * lanes] = high;                                                \
    }                                                                                          \
  }

/// `_at_most` asks whether a value is `<=` the threshold, `_less` whether it is `<`.
SWERVE_WALK(double_at_most, double, swerve_double_node, <=)
SWERVE_WALK(float_at_most, float, swerve_float_node, <=)
SWERVE_WALK(float_less, float, swerve_float_node, <)
SWERVE_WALK(double_less, double, swerve_double_node, <)
