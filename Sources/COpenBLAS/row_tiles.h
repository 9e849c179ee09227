// Tiles of a product for one type and one width of vectors. Included by row_products.h once for
// each, with these defined:
//
//   NAME(x)      the name of function `x` of this type and width
//   TARGET       the instructions it is compiled for
//   T            the element; V the vector; M what says which of its lanes exist
//   LANES        elements in a vector
//   MOST(v)      rows of the largest tile of `v` vectors, as many as the registers hold
//   MASK(n)      the first `n` lanes; LOAD, STORE with such a mask
//   SET1, FMA, ADD, ZERO
//   PANEL        vectors of a packed panel
//   TURN_ROWS    rows up to which transposed weights are turned in registers; 0: never

#define INLINE static inline __attribute__((target(TARGET), always_inline, unused))
#define OUTLINE static __attribute__((target(TARGET), noinline, unused))

/// Adds to `rows` × `vectors` vectors of `out` their products over one block of k.
///
/// Vector v of k's step i lies at `b[v] + steps[i]`: in weights, in packed weights, or in the lines
/// of an image. `ahead` is what is to be in the cache by the time it is needed: the whole of it, or
/// one of `vectors` shares, since memory does not give a panel while one tile is computed.
INLINE void NAME(tile)(const T *a, ptrdiff_t lda, const T *const *b, const ptrdiff_t *steps,
                       T *const *out, ptrdiff_t first, ptrdiff_t length, const M *masks,
                       const T *ahead, const ptrdiff_t *ahead_steps, ptrdiff_t ldo,
                       const int rows, const int vectors, const int prefetches, ptrdiff_t share) {
  V sum[rows][vectors];
  _Pragma("unroll") for (int r = 0; r < rows; r++)
    _Pragma("unroll") for (int v = 0; v < vectors; v++) sum[r][v] = ZERO();
  if (length > 64)
    _Pragma("unroll") for (int r = 0; r < rows; r++) __builtin_prefetch(out[0] + (first + r) * ldo);
  // Rows a page apart: no line of theirs is near by chance.
  if (vectors == PANEL && length > 64 && ldo * (ptrdiff_t)sizeof(T) >= 4096)
    _Pragma("unroll") for (int r = 0; r < rows; r++)
      _Pragma("unroll") for (int v = 1; v < vectors; v++)
        __builtin_prefetch(out[v] + (first + r) * ldo);
  for (ptrdiff_t i = 0; i < length; i++) {
    ptrdiff_t step = steps[i];
    if (prefetches == SWERVE_WHOLE) {
      const T *next = ahead + ahead_steps[i];
      _Pragma("unroll") for (int v = 0; v < vectors; v++) __builtin_prefetch(next + v * LANES);
    } else if (prefetches == SWERVE_SHARE) {
      ptrdiff_t vector = share * length + i;
      __builtin_prefetch(ahead + ahead_steps[vector / vectors] + vector % vectors * LANES);
    }
    V right[vectors];
    _Pragma("unroll") for (int v = 0; v < vectors; v++) right[v] = LOAD(b[v] + step, masks[v]);
    _Pragma("unroll") for (int r = 0; r < rows; r++) {
      T factor;
      memcpy(&factor, a + r * lda + i, sizeof factor);
      V left = SET1(factor);
      _Pragma("unroll") for (int v = 0; v < vectors; v++) sum[r][v] = FMA(left, right[v], sum[r][v]);
    }
  }
  _Pragma("unroll") for (int r = 0; r < rows; r++)
    _Pragma("unroll") for (int v = 0; v < vectors; v++) {
      T *place = out[v] + (first + r) * ldo;
      STORE(place, masks[v], ADD(LOAD(place, masks[v]), sum[r][v]));
    }
}

#define TILE(rows, vectors)                                                                        \
  case (rows) * 16 + (vectors):                                                                    \
    return NAME(tile)(a, lda, b, steps, out, first, length, masks, ahead, ahead_steps, ldo, rows,  \
                      vectors, PREFETCHES, share);
#define TILES(function)                                                                            \
  OUTLINE void NAME(function)(int rows, int vectors, const T *a, ptrdiff_t lda, const T *const *b, \
                              const ptrdiff_t *steps, T *const *out, ptrdiff_t first,              \
                              ptrdiff_t length, const M *masks, const T *ahead,                    \
                              const ptrdiff_t *ahead_steps, ptrdiff_t ldo, ptrdiff_t share) {      \
    switch (rows * 16 + vectors) { SWERVE_TILES }                                                  \
  }

#define PREFETCHES 0
TILES(tiles)
#undef PREFETCHES
#define PREFETCHES SWERVE_WHOLE
TILES(tiles_ahead)
#undef PREFETCHES
#define PREFETCHES SWERVE_SHARE
TILES(tiles_ahead_in_turn)
#undef PREFETCHES

/// The largest tile's vectors for so many rows: the fewer rows, the more.
INLINE int NAME(vectors)(ptrdiff_t rows) {
  return rows <= MOST(8) ? 8 : rows <= MOST(4) ? 4 : rows <= MOST(2) ? 2 : PANEL;
}

/// Adds to `m` rows of up to `vectors` vectors, in tiles of about as many rows each. `ahead` may be
/// needed by the first tile already, or, `in_turn`, behind the last.
INLINE void NAME(group)(const T *a, ptrdiff_t lda, ptrdiff_t m, const T *const *b,
                        const ptrdiff_t *steps, T *const *out, ptrdiff_t ldo, ptrdiff_t length,
                        const M *masks, int vectors, const T *ahead, const ptrdiff_t *ahead_steps,
                        const int in_turn) {
  int most = vectors == 8 ? MOST(8) : vectors == 4 ? MOST(4) : MOST(2);
  ptrdiff_t tiles = (m + most - 1) / most;
  ptrdiff_t first = 0;
  for (ptrdiff_t tile = 0; tile < tiles; tile++) {
    ptrdiff_t left = tiles - tile;
    int rows = (int)((m - first + left - 1) / left);
    if (ahead && in_turn && tiles >= vectors && tile < vectors)
      NAME(tiles_ahead_in_turn)(rows, vectors, a + first * lda, lda, b, steps, out, first, length,
                                masks, ahead, ahead_steps, ldo, tile);
    else if (ahead && tile == 0)
      NAME(tiles_ahead)(rows, vectors, a + first * lda, lda, b, steps, out, first, length, masks,
                        ahead, ahead_steps, ldo, 0);
    else
      NAME(tiles)(rows, vectors, a + first * lda, lda, b, steps, out, first, length, masks, b[0],
                  steps, ldo, 0);
    first += rows;
  }
}

/// Points `b` and `out` at the vectors of `count` columns; gives how many vectors the tile has.
INLINE int NAME(columns)(const T *from, T *to, ptrdiff_t count, int most, const T **b, T **out,
                         M *masks) {
  int vectors = (int)((count + LANES - 1) / LANES);
  vectors = vectors >= most ? most : vectors > 4 ? 8 : vectors > 2 ? 4 : vectors;
  for (int v = 0; v < vectors; v++) {
    // Of a vector without lanes nothing is read or written: it may point anywhere that exists.
    ptrdiff_t place = v * LANES < count ? v * LANES : 0;
    b[v] = from + place;
    out[v] = to + place;
    masks[v] = MASK(count - v * LANES);
  }
  return vectors;
}

/// Up to eight vectors of columns of one block, as panels, one behind the other; lanes that do not
/// exist are zeros.
INLINE void NAME(pack)(const T *b, ptrdiff_t n, ptrdiff_t count, ptrdiff_t length, T *packed) {
  M masks[8];
  const ptrdiff_t width = PANEL * LANES;
  int panels = (int)(count >= 8 * LANES ? 8 / PANEL : (count + width - 1) / width);
  for (int v = 0; v < PANEL * panels; v++) masks[v] = MASK(count - v * LANES);
  for (ptrdiff_t i = 0; i < length; i++)
    for (int panel = 0; panel < panels; panel++) {
      const T *from = b + i * n + panel * width;
      T *to = packed + (panel * SWERVE_BLOCK + i) * width;
      _Pragma("unroll") for (int v = 0; v < PANEL; v++) {
        V part = LOAD(from + v * LANES, masks[PANEL * panel + v]);
        memcpy(to + v * LANES, &part, sizeof part);
      }
    }
}

/// Rows from which on weights are packed: each panel is then read often enough. Those that no cache of
/// a core holds are read in long runs, and packed sooner for that.
#define PACKED_ROWS 128
#define STREAMED_ROWS 8
// Streaming some times over is still better than packing for so few rows.
#define MOST_STREAMED (3 * STREAMED_ROWS)
// Columns of a stream: of a weights' row about a page.
#define RUN (4096 / (ptrdiff_t)sizeof(T))

/// Few rows against weights that come from memory: those are read row by row, as they lie, and the
/// sums wait in the cache. Down the columns each step would need another page's address.
OUTLINE void NAME(streamed)(const T *a, const T *b, T *out, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  T sums[STREAMED_ROWS * 4096 / sizeof(T)];
  for (ptrdiff_t column = 0; column < n; column += RUN) {
    ptrdiff_t count = n - column < RUN ? n - column : RUN;
    for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {
      ptrdiff_t end = k - from < SWERVE_BLOCK ? k : from + SWERVE_BLOCK;
      memset(sums, 0, (size_t)m * RUN * sizeof(T));
      ptrdiff_t i = from;
      for (; i + 8 <= end; i += 8)
        for (ptrdiff_t c = 0; c < count; c += LANES) {
          M mask = MASK(count - c);
          V right[8];
          _Pragma("unroll") for (int q = 0; q < 8; q++)
            right[q] = LOAD(b + (i + q) * n + column + c, mask);
          for (ptrdiff_t r = 0; r < m; r++) {
            V sum = LOAD(sums + r * RUN + c, mask);
            const T *left = a + r * k + i;
            _Pragma("unroll") for (int q = 0; q < 8; q++) {
              T factor;
              memcpy(&factor, left + q, sizeof factor);
              sum = FMA(SET1(factor), right[q], sum);
            }
            STORE(sums + r * RUN + c, mask, sum);
          }
        }
      for (; i < end; i++)
        for (ptrdiff_t c = 0; c < count; c += LANES) {
          M mask = MASK(count - c);
          V right = LOAD(b + i * n + column + c, mask);
          for (ptrdiff_t r = 0; r < m; r++) {
            T factor;
            memcpy(&factor, a + r * k + i, sizeof factor);
            STORE(sums + r * RUN + c, mask,
                  FMA(SET1(factor), right, LOAD(sums + r * RUN + c, mask)));
          }
        }
      for (ptrdiff_t r = 0; r < m; r++)
        for (ptrdiff_t c = 0; c < count; c += LANES) {
          M mask = MASK(count - c);
          T *place = out + r * n + column + c;
          STORE(place, mask, ADD(LOAD(place, mask), LOAD(sums + r * RUN + c, mask)));
        }
    }
  }
}

/// Rows whose `a` is packed at once.
#define PACKED_A (1024 / (ptrdiff_t)sizeof(T))

/// Rows of so long a step want the same few places of the caches as they lie.
#define CLASHES(k) ((k) > SWERVE_BLOCK && (k) * (ptrdiff_t)sizeof(T) % 1024 == 0)

/// One block of k of some rows, one behind the other.
INLINE void NAME(pack_rows)(const T *a, ptrdiff_t lda, ptrdiff_t m, ptrdiff_t length, T *packed) {
  for (ptrdiff_t row = 0; row < m; row++)
    memcpy(packed + row * SWERVE_BLOCK, a + row * lda, (size_t)length * sizeof(T));
}

/// out += a · b, `b` as (k, n), packed eight vectors of columns at a time; at most PACKED_A rows.
OUTLINE void NAME(product_packed)(const T *a, const T *b, T *out, ptrdiff_t m, ptrdiff_t n,
                                  ptrdiff_t k, int fetches, int in_turn) {
  const ptrdiff_t width = PANEL * LANES, panels = 8 / PANEL;
  T packed[SWERVE_BLOCK * 8 * LANES], packed_a[SWERVE_BLOCK * PACKED_A];
  ptrdiff_t steps[SWERVE_BLOCK], packed_steps[SWERVE_BLOCK];
  for (ptrdiff_t i = 0; i < SWERVE_BLOCK; i++) {
    steps[i] = i * n;
    packed_steps[i] = i * width;
  }
  for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {
    ptrdiff_t length = k - from < SWERVE_BLOCK ? k - from : SWERVE_BLOCK;
    const T *right = b + from * n;
    const T *left_a = a + from;
    if (CLASHES(k)) NAME(pack_rows)(left_a, k, m, length, packed_a), left_a = packed_a;
    for (ptrdiff_t column = 0; column < n; column += panels * width) {
      ptrdiff_t left = n - column;
      NAME(pack)(right + column, n, left, length, packed);
      for (ptrdiff_t panel = 0; panel < panels && panel * width < left; panel++) {
        const T *from_b[8];
        T *to[8];
        M masks[8];
        ptrdiff_t start = column + panel * width;
        ptrdiff_t count = n - start < width ? n - start : width;
        int vectors = NAME(columns)(packed + panel * SWERVE_BLOCK * width, out + start, count,
                                    PANEL, from_b, to, masks);
        // What the next panels are made of; behind the last block there is nothing.
        const T *ahead = start + panels * width < n     ? right + start + panels * width
                         : length == SWERVE_BLOCK && from + length < k
                             ? right + SWERVE_BLOCK * n + panel * width : 0;
        NAME(group)(left_a, CLASHES(k) ? SWERVE_BLOCK : k, m, from_b, packed_steps, to, n, length,
                    masks, vectors, fetches ? ahead : 0, steps, in_turn);
      }
    }
  }
}

/// out += a · b, `b` as (k, n).
OUTLINE void NAME(product)(const T *a, const T *b, T *out, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  // Caches hold small weights; others are fetched some rows before they are needed.
  const int fetches = k * n > SWERVE_FETCHED;
  const int is_large = k * n * (ptrdiff_t)sizeof(T) > SWERVE_LARGE && n >= 8 * LANES;
  if (is_large && m <= MOST_STREAMED) {
    for (ptrdiff_t row = 0; row < m; row += STREAMED_ROWS)
      NAME(streamed)(a + row * k, b, out + row * n,
                     m - row < STREAMED_ROWS ? m - row : STREAMED_ROWS, n, k);
    return;
  }
  if (n > 2 * LANES && (m >= PACKED_ROWS || is_large)) {
    for (ptrdiff_t row = 0; row < m; row += PACKED_A)
      NAME(product_packed)(a + row * k, b, out + row * n, m - row < PACKED_A ? m - row : PACKED_A, n,
                           k, fetches, is_large);
    return;
  }
  const int most = NAME(vectors)(m);
  ptrdiff_t steps[SWERVE_BLOCK];
  for (ptrdiff_t i = 0; i < SWERVE_BLOCK && i < k; i++) steps[i] = i * n;
  for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {
    ptrdiff_t length = k - from < SWERVE_BLOCK ? k - from : SWERVE_BLOCK;
    const T *right = b + from * n;
    for (ptrdiff_t column = 0; column < n;) {
      const T *from_b[8];
      T *to[8];
      M masks[8];
      int vectors =
          NAME(columns)(right + column, out + column, n - column, most, from_b, to, masks);
      NAME(group)(a + from, k, m, from_b, steps, to, n, length, masks, vectors,
                  fetches ? right + column + SWERVE_AHEAD * n : 0, steps, 0);
      column += vectors * LANES;
    }
  }
}

#if TURN_ROWS > 0
/// One vector of columns of weights that stand as (n, k), turned in registers square by square.
INLINE void NAME(turned_rows)(const T *a, const T *b, T *out, ptrdiff_t n, ptrdiff_t k,
                              ptrdiff_t count, const int rows) {
  M mask = MASK(count);
  V total[rows];
  _Pragma("unroll") for (int r = 0; r < rows; r++) total[r] = LOAD(out + r * n, mask);
  for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {
    ptrdiff_t length = k - from < SWERVE_BLOCK ? k - from : SWERVE_BLOCK;
    V sum[rows];
    _Pragma("unroll") for (int r = 0; r < rows; r++) sum[r] = ZERO();
    for (ptrdiff_t i = 0; i < length; i += LANES) {
      V square[LANES];
      const T *corner = b + from + i;
      ptrdiff_t step = k;
      ptrdiff_t steps = length - i < LANES ? length - i : LANES;
      T edge[LANES * LANES];
      if (steps < LANES || count < LANES) {
        for (ptrdiff_t j = 0; j < LANES * LANES; j++) edge[j] = 0;
        for (ptrdiff_t j = 0; j < count; j++)
          memcpy(edge + j * LANES, corner + j * k, (size_t)steps * sizeof(T));
        corner = edge;
        step = LANES;
      } else {
        _Pragma("unroll") for (int j = 0; j < LANES; j++) __builtin_prefetch(corner + j * k + SWERVE_RUN);
      }
      TURN(corner, step, square);
      const T *left = a + from + i;
      if (steps == LANES) {
        _Pragma("unroll") for (int q = 0; q < LANES; q++)
          _Pragma("unroll") for (int r = 0; r < rows; r++)
            sum[r] = FMA(SET1(left[r * k + q]), square[q], sum[r]);
      } else {
        V all[LANES];
        _Pragma("unroll") for (int q = 0; q < LANES; q++) all[q] = square[q];
        for (ptrdiff_t q = 0; q < steps; q++)
          _Pragma("unroll") for (int r = 0; r < rows; r++)
            sum[r] = FMA(SET1(left[r * k + q]), all[q], sum[r]);
      }
    }
    _Pragma("unroll") for (int r = 0; r < rows; r++) total[r] = ADD(total[r], sum[r]);
  }
  _Pragma("unroll") for (int r = 0; r < rows; r++) STORE(out + r * n, mask, total[r]);
}

#define TURNED(rows)                                                                               \
  case rows: NAME(turned_rows)(a, b + column * k, out + column, n, k, count, rows); break;
OUTLINE void NAME(turned)(const T *a, const T *b, T *out, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
  for (ptrdiff_t column = 0; column < n; column += LANES) {
    ptrdiff_t count = n - column < LANES ? n - column : LANES;
    switch (m) { SWERVE_TURNED }
  }
}
#undef TURNED
#endif

/// The packed columns of weights that stand as (n, k). Each of a few weight rows is read along the
/// whole block: the longer the runs, the better memory keeps up.
OUTLINE void NAME(pack_transposed)(const T *b, ptrdiff_t k, ptrdiff_t count, ptrdiff_t length,
                                   ptrdiff_t width, T *packed) {
  ptrdiff_t lane = 0;
  for (; lane + SIDE <= count; lane += SIDE) {
    ptrdiff_t i = 0;
    for (; i + SIDE <= length; i += SIDE) {
      SQUARE square[SIDE];
      TURN(b + lane * k + i, k, square);
      _Pragma("unroll") for (int q = 0; q < SIDE; q++)
        memcpy(packed + (i + q) * width + lane, &square[q], sizeof square[q]);
    }
    for (; i < length; i++)
      for (ptrdiff_t j = lane; j < lane + SIDE; j++)
        memcpy(packed + i * width + j, b + j * k + i, sizeof(T));
  }
  for (; lane < count; lane++)
    for (ptrdiff_t i = 0; i < length; i++)
      memcpy(packed + i * width + lane, b + lane * k + i, sizeof(T));
  for (ptrdiff_t i = 0; i < length; i++)
    for (ptrdiff_t j = count; j < width; j++) packed[i * width + j] = 0;
}

/// out += a · b, `b` as (n, k); at most PACKED_A rows.
OUTLINE void NAME(transposed_packed)(const T *a, const T *b, T *out, ptrdiff_t m, ptrdiff_t n,
                                     ptrdiff_t k) {
  const ptrdiff_t width = PANEL * LANES;
  const int fetches = k * n > SWERVE_FETCHED;
  const int in_turn = k * n * (ptrdiff_t)sizeof(T) > SWERVE_LARGE;
  T packed[SWERVE_BLOCK * PANEL * LANES], packed_a[SWERVE_BLOCK * PACKED_A];
  ptrdiff_t steps[SWERVE_BLOCK], ahead_steps[SWERVE_BLOCK];
  for (ptrdiff_t i = 0; i < SWERVE_BLOCK; i++) {
    steps[i] = i * width;
    // The next panel's weight rows in turn, a piece of each.
    ahead_steps[i] = i % width * k + i / width * width;
  }
  for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {
    ptrdiff_t length = k - from < SWERVE_BLOCK ? k - from : SWERVE_BLOCK;
    const T *left_a = a + from;
    if (CLASHES(k)) NAME(pack_rows)(left_a, k, m, length, packed_a), left_a = packed_a;
    for (ptrdiff_t column = 0; column < n; column += width) {
      ptrdiff_t count = n - column < width ? n - column : width;
      NAME(pack_transposed)(b + column * k + from, k, count, length, width, packed);
      const T *from_b[8];
      T *to[8];
      M masks[8];
      int vectors = NAME(columns)(packed, out + column, count, PANEL, from_b, to, masks);
      const T *ahead = n - column > width ? b + (column + width) * k + from
                       : length == SWERVE_BLOCK ? b + from + SWERVE_BLOCK : 0;
      NAME(group)(left_a, CLASHES(k) ? SWERVE_BLOCK : k, m, from_b, steps, to, n, length, masks,
                  vectors, fetches ? ahead : 0, ahead_steps, in_turn);
    }
  }
}

/// out += a · b, `b` as (n, k).
OUTLINE void NAME(transposed)(const T *a, const T *b, T *out, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) {
#if TURN_ROWS > 0
  if (m <= TURN_ROWS) return NAME(turned)(a, b, out, m, n, k);
#endif
  for (ptrdiff_t row = 0; row < m; row += PACKED_A)
    NAME(transposed_packed)(a + row * k, b, out + row * n, m - row < PACKED_A ? m - row : PACKED_A, n,
                            k);
}

/// Windows over the lines of an image: out[row · ldo + line · width + x] += Σ a[row][i] ·
/// image[lines[line] + x + steps[i]].
OUTLINE void NAME(windows)(const T *a, const T *image, const ptrdiff_t *steps,
                           const ptrdiff_t *lines, T *out, ptrdiff_t ldo, ptrdiff_t rows,
                           ptrdiff_t line_count, ptrdiff_t width, ptrdiff_t k) {
  const ptrdiff_t per_line = (width + LANES - 1) / LANES;
  const ptrdiff_t all = per_line * line_count;
  const int most = NAME(vectors)(rows);
  ptrdiff_t line = 0, x = 0;
  for (ptrdiff_t first = 0; first < all;) {
    const T *from_b[8];
    T *to[8];
    M masks[8];
    ptrdiff_t left = all - first;
    int vectors = left >= most ? most : left > 4 ? 8 : left > 2 ? 4 : (int)left;
    for (int v = 0; v < vectors; v++) {
      int exists = first + v < all;
      from_b[v] = exists ? image + lines[line] + x : image;
      to[v] = exists ? out + line * width + x : out;
      masks[v] = MASK(exists ? width - x : 0);
      if (!exists) continue;
      x += LANES;
      if (x >= width) { x = 0; line++; }
    }
    first += vectors;
    for (ptrdiff_t from = 0; from < k; from += SWERVE_BLOCK) {
      ptrdiff_t length = k - from < SWERVE_BLOCK ? k - from : SWERVE_BLOCK;
      NAME(group)(a + from, k, rows, from_b, steps + from, to, ldo, length, masks,
                  vectors, 0, steps, 0);
    }
  }
}

#undef INLINE
#undef OUTLINE
#undef TILE
#undef TILES
#undef PACKED_ROWS
#undef PACKED_A
#undef CLASHES
#undef STREAMED_ROWS
#undef MOST_STREAMED
#undef PANEL
#undef RUN
#undef NAME
#undef TARGET
#undef T
#undef V
#undef M
#undef LANES
#undef MOST
#undef MASK
#undef LOAD
#undef STORE
#undef SET1
#undef FMA
#undef ADD
#undef ZERO
#undef TURN_ROWS
#undef TURN
#undef SIDE
#undef SQUARE
#undef SWERVE_TILES
#undef SWERVE_TURNED
