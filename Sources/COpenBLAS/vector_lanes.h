// Functions of many floats, for one width of vectors. Included by vector_functions.h once for each.
//
// Every operation is one that IEEE defines, in one order: an element has the same bits in every
// place and for every width.

#if defined(TARGET)
#define INLINE static inline __attribute__((target(TARGET), always_inline, unused))
#define OUTLINE static __attribute__((target(TARGET), noinline, unused))
#else
#define INLINE static inline __attribute__((always_inline, unused))
#define OUTLINE static __attribute__((noinline, unused))
#endif

/// eˣ = 2ⁿ · eʳ with |r| ≤ ln 2 / 2 and eʳ from a polynomial of degree 7. A NaN stays one.
INLINE V NAME(exp)(V x) {
  // The second operand of MAX and MIN is what remains of a NaN.
  x = MIN(SET1(88.8f), MAX(SET1(-104.0f), x));
  const V shift = SET1(12582912.0f);
  V shifted = FMA(x, SET1(1.44269504f), shift);
  V n = SUB(shifted, shift);
  V r = FMA(n, SET1(-0.693359375f), x);
  r = FMA(n, SET1(2.12194440e-4f), r);
  V p = SET1(1.9875691500e-4f);
  p = FMA(p, r, SET1(1.3981999507e-3f));
  p = FMA(p, r, SET1(8.3334519073e-3f));
  p = FMA(p, r, SET1(4.1665795894e-2f));
  p = FMA(p, r, SET1(1.6666665459e-1f));
  p = FMA(p, r, SET1(5.0000001201e-1f));
  p = ADD(FMA(p, MUL(r, r), r), SET1(1.0f));
  // 2ⁿ in two factors: one alone would not reach the smallest and the largest numbers.
  I whole = ISUB(BITS(shifted), ISET1(0x4B400000));
  I half = IHALF(whole);
  V low = FLOATS(IEXPONENT(IADD(half, ISET1(127))));
  V high = FLOATS(IEXPONENT(IADD(ISUB(whole, half), ISET1(127))));
  return MUL(MUL(p, low), high);
}

INLINE V NAME(sigmoid)(V x) {
  return DIV(SET1(1.0f), ADD(SET1(1.0f), NAME(exp)(SUB(SET1(0.0f), x))));
}

/// A polynomial near 0, 1 − 2 / (e²ˣ + 1) elsewhere.
INLINE V NAME(tanh)(V x) {
  V size = FLOATS(IAND(BITS(x), ISET1(0x7FFFFFFF)));
  V square = MUL(x, x);
  V p = SET1(-5.70498872745e-3f);
  p = FMA(p, square, SET1(2.06390887954e-2f));
  p = FMA(p, square, SET1(-5.37397155531e-2f));
  p = FMA(p, square, SET1(1.33314422036e-1f));
  p = FMA(p, square, SET1(-3.33332819422e-1f));
  V small = FMA(MUL(p, square), x, x);
  V e = NAME(exp)(ADD(size, size));
  V large = SUB(SET1(1.0f), DIV(SET1(2.0f), ADD(e, SET1(1.0f))));
  large = FLOATS(IOR(BITS(large), IAND(BITS(x), ISET1((int)0x80000000))));
  return BLEND(size, SET1(0.625f), large, small);
}

/// A polynomial near 0, 1 − e to a polynomial elsewhere.
INLINE V NAME(erf)(V x) {
  // From 4 on it is 1. The second operand is what remains of a NaN.
  V size = MIN(SET1(4.0f), FLOATS(IAND(BITS(x), ISET1(0x7FFFFFFF))));
  V square = MUL(size, size);
  V q = FMA(SET1(-1.72853470e-5f), size, SET1(3.83197126e-4f));
  V u = FMA(SET1(-3.88396438e-3f), size, SET1(2.42546219e-2f));
  q = FMA(q, square, u);
  q = FMA(q, size, SET1(-1.06777877e-1f));
  q = FMA(q, size, SET1(-6.34846687e-1f));
  q = FMA(q, size, SET1(-1.28717512e-1f));
  q = FMA(q, size, SUB(SET1(0.0f), size));
  V large = SUB(SET1(1.0f), NAME(exp)(q));
  large = FLOATS(IOR(BITS(large), IAND(BITS(x), ISET1((int)0x80000000))));
  V p = SET1(-5.96761703e-4f);
  p = FMA(p, square, SET1(4.99119423e-3f));
  p = FMA(p, square, SET1(-2.67681349e-2f));
  p = FMA(p, square, SET1(1.12819925e-1f));
  p = FMA(p, square, SET1(-3.76125336e-1f));
  p = FMA(p, square, SET1(1.28379166e-1f));
  V small = FMA(p, x, x);
  return BLEND(size, SET1(0.927734375f), large, small);
}

/// `function` of each element; `low` and `high` are the numbers that some take.
OUTLINE void NAME(map)(int function, const float *from, float *to, ptrdiff_t count, float low,
                       float high) {
  V a = SET1(low), b = SET1(high);
  switch (function) {
#define EACH(number, expression)                                                                   \
  case number:                                                                                     \
    for (ptrdiff_t i = 0; i < count; i += LANES) {                                                 \
      M mask = MASK(count - i);                                                                    \
      V x = LOAD(from + i, mask);                                                                  \
      STORE(to + i, mask, expression);                                                             \
    }                                                                                              \
    break;
    EACH(SWERVE_EXP, NAME(exp)(x))
    EACH(SWERVE_SIGMOID, NAME(sigmoid)(x))
    EACH(SWERVE_TANH, NAME(tanh)(x))
    EACH(SWERVE_ERF, NAME(erf)(x))
    EACH(SWERVE_RELU, MAX(SET1(0.0f), x))
    EACH(SWERVE_CLIP, MIN(b, MAX(a, x)))
    EACH(SWERVE_SCALE, ADD(MUL(x, a), b))
    EACH(SWERVE_SHIFTED_EXP, NAME(exp)(SUB(x, a)))
    EACH(SWERVE_QUOTIENT, DIV(x, a))
#undef EACH
  }
}

/// An operation of two; a step is 1 or 0.
OUTLINE void NAME(combine)(int operation, const float *left, int left_step, const float *right,
                           int right_step, float *to, ptrdiff_t count) {
  switch (operation * 4 + left_step * 2 + right_step) {
#define ALL(number, operation, load_left, load_right)                                              \
  case number:                                                                                     \
    for (ptrdiff_t i = 0; i < count; i += LANES) {                                                 \
      M mask = MASK(count - i);                                                                    \
      STORE(to + i, mask, operation(load_left, load_right));                                       \
    }                                                                                              \
    break;
#define EACH(number, operation)                                                                    \
  ALL(number * 4 + 3, operation, LOAD(left + i, mask), LOAD(right + i, mask))                      \
  ALL(number * 4 + 2, operation, LOAD(left + i, mask), SET1(right[0]))                             \
  ALL(number * 4 + 1, operation, SET1(left[0]), LOAD(right + i, mask))                             \
  ALL(number * 4, operation, SET1(left[0]), SET1(right[0]))
    EACH(0, ADD)
    EACH(1, SUB)
    EACH(2, MUL)
    EACH(3, DIV)
#undef EACH
#undef ALL
  }
}

#undef INLINE
#undef OUTLINE
#undef NAME
#undef TARGET
#undef V
#undef M
#undef I
#undef LANES
#undef MASK
#undef LOAD
#undef STORE
#undef SET1
#undef FMA
#undef ADD
#undef SUB
#undef MUL
#undef DIV
#undef MIN
#undef MAX
#undef BLEND
#undef BITS
#undef FLOATS
#undef ISET1
#undef IADD
#undef ISUB
#undef IAND
#undef IOR
#undef IHALF
#undef IEXPONENT
