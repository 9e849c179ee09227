import Tensors
import Testing

@Suite struct BLASTests {
  private func numbers(_ count: Int, seed: UInt64) -> [Float] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(state >> 40) / Float(1 << 24) - 0.5
    }
  }

  private func product(
    _ a: ArraySlice<Float>, _ b: [Float], rows: Int, inner: Int, columns: Int
  ) -> [Float] {
    var output = [Float](repeating: 0, count: rows * columns)
    let left = Array(a)
    var target = output.mutableSpan
    BLAS.addProduct(left.span, b.span, rows: rows, inner: inner, columns: columns, to: &target)
    return output
  }

  @Test(arguments: [1, 4, 16, 319, 320, 321, 700], [1, 3, 10, 16, 17, 64, 100, 130])
  func `a row's product has the same bits in every batch, and those of the plain loop`(
    inner: Int, columns: Int
  ) {
    let a = numbers(64 * inner, seed: 1)
    let b = numbers(inner * columns, seed: 2)
    let all = product(a[...], b, rows: 64, inner: inner, columns: columns)
    for rows in [1, 2, 5, 6, 7, 8, 11, 12, 13, 24, 31] {
      let some = product(a[..<(rows * inner)], b, rows: rows, inner: inner, columns: columns)
      #expect(some == Array(all[..<(rows * columns)]))
    }
    for row in [0, 5, 63] {
      for column in [0, columns - 1] {
        var total: Float = 0
        for start in stride(from: 0, to: inner, by: 320) {
          var sum: Float = 0
          for k in start..<min(start + 320, inner) {
            sum.addProduct(a[row * inner + k], b[k * columns + column])
          }
          total += sum
        }
        #expect(all[row * columns + column] == total)
      }
    }
  }

  @Test(arguments: [1, 4, 9, 319, 321, 700], [1, 3, 8, 17, 64, 130])
  func `weights give the same bits transposed and at any byte`(inner: Int, columns: Int) {
    let a = numbers(26 * inner, seed: 3)
    let b = numbers(inner * columns, seed: 4)
    let transposed = (0..<columns).flatMap { column in
      (0..<inner).map { b[$0 * columns + column] }
    }
    for rows in [1, 2, 6, 8, 9, 26] {
      let want = product(a[..<(rows * inner)], b, rows: rows, inner: inner, columns: columns)
      for (weights, isTransposed) in [(b, false), (transposed, true)] {
        for shift in 0..<4 {
          // As weights lie in a file: after some bytes of something else.
          let file = [UInt8](repeating: 0, count: shift) + weights.withUnsafeBytes { Array($0) }
          var output = [Float](repeating: 0, count: rows * columns)
          var target = output.mutableSpan
          BLAS.addProduct(
            a.span.extracting(first: rows * inner),
            weights: file.span.bytes.extracting(droppingFirst: shift), isTransposed: isTransposed,
            rows: rows, inner: inner, columns: columns, to: &target)
          #expect(output == want)
        }
      }
    }
  }

  @Test func `weights beyond the caches give a row the same bits in every batch`() {
    let (inner, columns) = (330, 1300)
    let a = numbers(140 * inner, seed: 7)
    let b = numbers(inner * columns, seed: 8)
    let all = product(a[...], b, rows: 140, inner: inner, columns: columns)
    for rows in [1, 3, 8, 9, 40] {
      let some = product(a[..<(rows * inner)], b, rows: rows, inner: inner, columns: columns)
      #expect(some == Array(all[..<(rows * columns)]))
    }
    for column in [0, 1023, 1024, columns - 1] {
      var total: Float = 0
      for start in stride(from: 0, to: inner, by: 320) {
        var sum: Float = 0
        for k in start..<min(start + 320, inner) { sum.addProduct(a[k], b[k * columns + column]) }
        total += sum
      }
      #expect(all[column] == total)
    }
  }

  @Test(arguments: [1, 2, 4, 7, 13, 30], [1, 12, 16, 33, 70])
  func `windows give the bits of a product with the columns laid out`(rows: Int, width: Int) {
    let steps = (0..<325).map { $0 * 3 % 700 }
    let lines = [0, 5, 80, 81, 200]
    let image = numbers(1000, seed: 9)
    let weights = numbers(rows * steps.count, seed: 10)
    var columns: [Float] = []
    for step in steps {
      for line in lines { columns += image[(line + step)..<(line + step + width)] }
    }
    let count = lines.count * width
    let want = product(
      weights[...], columns, rows: rows, inner: steps.count, columns: count)
    // Rows stand apart, and what is between them stays.
    let rowStep = count + 3
    var output = [Float](repeating: 0, count: rows * rowStep)
    var target = output.mutableSpan
    BLAS.addWindows(
      weights: weights.span.bytes, image: image.span, steps: steps.span, lines: lines.span,
      rows: rows, width: width, rowStep: rowStep, to: &target)
    for row in 0..<rows {
      let start = row * rowStep
      #expect(Array(output[start..<(start + count)]) == Array(want[(row * count)...].prefix(count)))
      #expect(Array(output[(start + count)..<(start + rowStep)]) == [0, 0, 0])
    }
  }

  @Test func `doubles give the same bits transposed`() {
    let (rows, inner, columns) = (7, 333, 21)
    let a = numbers(rows * inner, seed: 5).map { Double($0) / 3 }
    let b = numbers(inner * columns, seed: 6).map { Double($0) / 3 }
    let transposed = (0..<columns).flatMap { column in
      (0..<inner).map { b[$0 * columns + column] }
    }
    var want = [Double](repeating: 0, count: rows * columns)
    var output = want
    var target = want.mutableSpan
    BLAS.addProduct(a.span, b.span, rows: rows, inner: inner, columns: columns, to: &target)
    target = output.mutableSpan
    BLAS.addProduct(
      a.span, weights: transposed.span.bytes, isTransposed: true, rows: rows, inner: inner,
      columns: columns, to: &target)
    #expect(output == want)
  }
}
