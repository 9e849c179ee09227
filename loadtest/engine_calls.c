// Calls libraries' C functions for one row after the other, so that loadtest/engines measures the
// libraries and not Python. Built by engine_trees.py.
#include <stddef.h>
#include <stdint.h>

typedef int lightgbm_single(void *, const void *, int64_t *, double *);

/// LGBM_BoosterPredictForMatSingleRowFast.
int call_lightgbm(
    lightgbm_single *predict, void *config, const char *rows, size_t row_bytes, size_t row_count,
    size_t *next, size_t count, double *out) {
  for (size_t call = 0; call < count; call++) {
    int64_t written = 0;
    if (predict(config, rows + *next * row_bytes, &written, out)) return -1;
    *next = *next + 1 < row_count ? *next + 1 : 0;
  }
  return 0;
}

typedef int xgboost_dense(
    void *, const char *, const char *, void *, const uint64_t **, uint64_t *, const float **);

/// XGBoosterPredictFromDense; `arrays` describes each row.
int call_xgboost(
    xgboost_dense *predict, void *booster, const char **arrays, const char *config, void *proxy,
    size_t row_count, size_t *next, size_t count) {
  for (size_t call = 0; call < count; call++) {
    const uint64_t *shape;
    uint64_t dimensions;
    const float *result;
    if (predict(booster, arrays[*next], config, proxy, &shape, &dimensions, &result)) return -1;
    *next = *next + 1 < row_count ? *next + 1 : 0;
  }
  return 0;
}

typedef void tl2cgen_predict(const void *, int, void *);

/// What tl2cgen compiles.
void call_tl2cgen(
    tl2cgen_predict *predict, const char *rows, size_t row_bytes, size_t row_count, size_t *next,
    size_t count, void *out) {
  for (size_t call = 0; call < count; call++) {
    predict(rows + *next * row_bytes, 0, out);
    *next = *next + 1 < row_count ? *next + 1 : 0;
  }
}

typedef void lleaves_predict(const void *, void *, int, int);

/// What lleaves compiles: rows from one number to another.
void call_lleaves(
    lleaves_predict *predict, const char *rows, size_t row_bytes, size_t row_count, size_t *next,
    size_t count, void *out) {
  for (size_t call = 0; call < count; call++) {
    predict(rows + *next * row_bytes, out, 0, 1);
    *next = *next + 1 < row_count ? *next + 1 : 0;
  }
}
