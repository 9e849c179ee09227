import Tensors
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct VectorFunctionTests {
  private static let numbers: [Float] =
    (0..<4000).map { Float($0 - 2000) / 40 }
    + (0..<400).map { Float($0 - 200) / 2000 }
    + [0, -0.0, 1e-30, -1e-30, 87.9, 88.5, 88.73, 100, -87.5, -100, -103.9, -104, -120]
    + [.infinity, -.infinity, .leastNonzeroMagnitude, .greatestFiniteMagnitude]

  private func map(_ function: VectorFunctions.Unary, _ values: [Float]) -> [Float] {
    var result = [Float](repeating: 0, count: values.count)
    var target = result.mutableSpan
    VectorFunctions.map(function, values.span, to: &target)
    return result
  }

  private func expectNear(
    _ function: VectorFunctions.Unary, _ reference: (Double) -> Double, units: Double
  ) {
    for (x, got) in zip(Self.numbers, map(function, Self.numbers)) {
      let want = reference(Double(x))
      let unit = max(Double(Float(want).ulp), Double(Float.leastNonzeroMagnitude))
      let isNear =
        Float(want).isInfinite ? got == Float(want) : abs(Double(got) - want) <= units * unit
      #expect(isNear, "\(function) of \(x) is \(got), not \(want)")
    }
    #expect(map(function, [.nan])[0].isNaN)
  }

  @Test func `exp is within a unit in the last place`() {
    expectNear(.exp, { Glibc.exp($0) }, units: 1)
  }

  @Test func `tanh is within two units in the last place`() {
    expectNear(.tanh, { Glibc.tanh($0) }, units: 2)
  }

  @Test func `erf is within two units in the last place`() {
    expectNear(.erf, { Glibc.erf($0) }, units: 2)
  }

  @Test func `sigmoid is near where it is not next to nothing`() {
    for (x, got) in zip(Self.numbers, map(.sigmoid, Self.numbers)) {
      let want = 1 / (1 + Glibc.exp(-Double(x)))
      #expect(abs(Double(got) - want) <= 2.5e-7 * want + 1e-38, "sigmoid of \(x) is \(got)")
    }
    #expect(map(.sigmoid, [.nan])[0].isNaN)
  }

  @Test func `an element has the same bits in every place`() {
    for function in [VectorFunctions.Unary.exp, .sigmoid, .tanh, .erf] {
      let all = map(function, Self.numbers)
      for start in [1, 7, 2111] {
        for count in [1, 5, 16, 17, 50] {
          let some = map(function, Array(Self.numbers[start..<(start + count)]))
          #expect(some == Array(all[start..<(start + count)]))
        }
      }
    }
  }

  @Test func `limits keep a NaN and the sign of zero`() {
    let clipped = map(.clip(low: -1, high: 2), [-5, -0.0, 1.5, 3, .nan])
    #expect(clipped[..<4] == [-1, -0.0, 1.5, 2])
    #expect(clipped[1].sign == .minus && clipped[4].isNaN)
    let kept = map(.relu, [-5, -0.0, 3, .nan])
    #expect(kept[..<3] == [0, 0, 3])
    #expect(kept[1].sign == .minus && kept[3].isNaN)
  }

  @Test func `a side of one element goes with all`() {
    let many: [Float] = (0..<37).map { Float($0) - 3.25 }
    let one: [Float] = [0.3]
    var target = [Float](repeating: 0, count: many.count)
    var span = target.mutableSpan
    VectorFunctions.combine(.quotient, many.span, one.span, to: &span)
    #expect(target == many.map { $0 / 0.3 })
    span = target.mutableSpan
    VectorFunctions.combine(.difference, one.span, many.span, to: &span)
    #expect(target == many.map { 0.3 - $0 })
    span = target.mutableSpan
    VectorFunctions.combine(.product, many.span, many.span, to: &span)
    #expect(target == many.map { $0 * $0 })
  }
}
