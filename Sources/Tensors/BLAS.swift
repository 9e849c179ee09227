internal import COpenBLAS

/// Linear algebra over spans. Row-major throughout, always on the caller's thread.
///
/// A row of a product has the same bits whatever other rows are computed with it, wherever it
/// stands, and on every CPU with or without wide vectors. OpenBLAS's `gemm` does not give that
/// (its path, and the order of its sums, depends on the number of rows), so products of rows
/// with weights run on kernels of our own (`row_products.h`). They are faster than it for a few
/// rows and about as fast for many.
package enum BLAS {
  /// Keeps every call on the caller's thread: parallelism comes from our own instances. Called
  /// before any other thread runs, as early as can be: those of the library take CPU time till then.
  package static func useOneThread() { swerve_use_one_blas_thread() }

  /// The kernel family OpenBLAS chose for this CPU, such as `SkylakeX`.
  package static var kernelName: String {
    guard let name = unsafe openblas_get_corename() else { return "unknown" }
    return unsafe String(cString: name)
  }

  /// The instructions that products use here: `avx512`, `avx2` or `plain`.
  package static var productKernelName: String {
    switch productLevel {
    case 2: "avx512"
    case 1: "avx2"
    default: "plain"
    }
  }

  static let productLevel = swerve_product_level()

  /// Adds `left` · `right` to `output`, which already holds zeros or the bias of each element.
  ///
  /// - Parameters:
  ///   - left: Shape `(rows, inner)`.
  ///   - right: Shape `(inner, columns)`.
  ///   - output: Shape `(rows, columns)`.
  package static func addProduct(
    _ left: Span<Float>, _ right: Span<Float>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Float>
  ) {
    addProduct(
      left, weights: unsafe right.bytes, isTransposed: false, rows: rows, inner: inner,
      columns: columns, to: &output)
  }

  /// As above, with weights used where they lie, at any byte.
  ///
  /// The bits are the same whichever way the weights stand. One row with transposed weights that
  /// the caches hold takes a few times as long; weights that come from memory, about as long.
  ///
  /// - Parameter weights: `Float`s of shape `(inner, columns)`, or `(columns, inner)` where they
  ///   are transposed.
  package static func addProduct(
    _ left: Span<Float>, weights: RawSpan, isTransposed: Bool, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Float>
  ) {
    let weightCount = weights.byteCount / MemoryLayout<Float>.size
    check(left.count, weightCount, output.count, rows: rows, inner: inner, columns: columns)
    if rows == 0 || inner == 0 || columns == 0 { return }
    let level = productLevel
    unsafe left.withUnsafeBytes { left in
      unsafe weights.withUnsafeBytes { weights in
        unsafe output.withUnsafeMutableBufferPointer { output in
          unsafe swerve_float_product(
            level, left.baseAddress, weights.baseAddress, isTransposed ? 1 : 0,
            output.baseAddress, rows, columns, inner)
        }
      }
    }
  }

  /// As above, with weights on the left, used where they lie, at any byte.
  ///
  /// - Parameter weights: `Float`s of shape `(rows, inner)`.
  package static func addProduct(
    weights: RawSpan, _ right: Span<Float>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Float>
  ) {
    let weightCount = weights.byteCount / MemoryLayout<Float>.size
    check(weightCount, right.count, output.count, rows: rows, inner: inner, columns: columns)
    if rows == 0 || inner == 0 || columns == 0 { return }
    let level = productLevel
    unsafe weights.withUnsafeBytes { weights in
      unsafe right.withUnsafeBytes { right in
        unsafe output.withUnsafeMutableBufferPointer { output in
          unsafe swerve_float_product(
            level, weights.baseAddress, right.baseAddress, 0, output.baseAddress, rows, columns,
            inner)
        }
      }
    }
  }

  /// As for `Float`.
  package static func addProduct(
    _ left: Span<Double>, _ right: Span<Double>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Double>
  ) {
    addProduct(
      left, weights: unsafe right.bytes, isTransposed: false, rows: rows, inner: inner,
      columns: columns, to: &output)
  }

  /// As for `Float`.
  package static func addProduct(
    _ left: Span<Double>, weights: RawSpan, isTransposed: Bool, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Double>
  ) {
    let weightCount = weights.byteCount / MemoryLayout<Double>.size
    check(left.count, weightCount, output.count, rows: rows, inner: inner, columns: columns)
    if rows == 0 || inner == 0 || columns == 0 { return }
    let level = productLevel
    unsafe left.withUnsafeBytes { left in
      unsafe weights.withUnsafeBytes { weights in
        unsafe output.withUnsafeMutableBufferPointer { output in
          unsafe swerve_double_product(
            level, left.baseAddress, weights.baseAddress, isTransposed ? 1 : 0,
            output.baseAddress, rows, columns, inner)
        }
      }
    }
  }

  /// As for `Float`.
  package static func addProduct(
    weights: RawSpan, _ right: Span<Double>, rows: Int, inner: Int, columns: Int,
    to output: inout MutableSpan<Double>
  ) {
    let weightCount = weights.byteCount / MemoryLayout<Double>.size
    check(weightCount, right.count, output.count, rows: rows, inner: inner, columns: columns)
    if rows == 0 || inner == 0 || columns == 0 { return }
    let level = productLevel
    unsafe weights.withUnsafeBytes { weights in
      unsafe right.withUnsafeBytes { right in
        unsafe output.withUnsafeMutableBufferPointer { output in
          unsafe swerve_double_product(
            level, weights.baseAddress, right.baseAddress, 0, output.baseAddress, rows, columns,
            inner)
        }
      }
    }
  }

  /// Adds to each element of a row of `output` the weights of that row times what lies under them
  /// in an image: weight `i` of the element `x` of line `l` lies on `image[lines[l] + x + steps[i]]`.
  ///
  /// The sums are those of a product with the columns laid out: the same bits.
  ///
  /// - Parameters:
  ///   - weights: `Float`s of shape `(rows, steps.count)`, at any byte.
  ///   - output: `rows` rows, `rowStep` after each other, each of `lines.count` lines of `width`.
  package static func addWindows(
    weights: RawSpan, image: Span<Float>, steps: Span<Int>, lines: Span<Int>, rows: Int,
    width: Int, rowStep: Int, to output: inout MutableSpan<Float>
  ) {
    if rows == 0 || width == 0 || lines.isEmpty || steps.isEmpty { return }
    checkWindows(
      weights.byteCount / MemoryLayout<Float>.size, image.count, steps, lines, rows: rows,
      width: width, rowStep: rowStep, output.count)
    let level = productLevel
    unsafe weights.withUnsafeBytes { weights in
      unsafe image.withUnsafeBufferPointer { image in
        unsafe steps.withUnsafeBufferPointer { steps in
          unsafe lines.withUnsafeBufferPointer { lines in
            unsafe output.withUnsafeMutableBufferPointer { output in
              unsafe swerve_float_windows(
                level, weights.baseAddress, image.baseAddress, steps.baseAddress,
                lines.baseAddress, output.baseAddress, rowStep, rows, lines.count, width,
                steps.count)
            }
          }
        }
      }
    }
  }

  /// Adds to each element of a row of `output` the weights of that row times what lies under them
  /// in an image: weight `i` of the element `x` of line `l` lies on `image[lines[l] + x + steps[i]]`.
  ///
  /// The sums are those of a product with the columns laid out: the same bits.
  ///
  /// - Parameters:
  ///   - weights: `Double`s of shape `(rows, steps.count)`, at any byte.
  ///   - output: `rows` rows, `rowStep` after each other, each of `lines.count` lines of `width`.
  package static func addWindows(
    weights: RawSpan, image: Span<Double>, steps: Span<Int>, lines: Span<Int>, rows: Int,
    width: Int, rowStep: Int, to output: inout MutableSpan<Double>
  ) {
    if rows == 0 || width == 0 || lines.isEmpty || steps.isEmpty { return }
    checkWindows(
      weights.byteCount / MemoryLayout<Double>.size, image.count, steps, lines, rows: rows,
      width: width, rowStep: rowStep, output.count)
    let level = productLevel
    unsafe weights.withUnsafeBytes { weights in
      unsafe image.withUnsafeBufferPointer { image in
        unsafe steps.withUnsafeBufferPointer { steps in
          unsafe lines.withUnsafeBufferPointer { lines in
            unsafe output.withUnsafeMutableBufferPointer { output in
              unsafe swerve_double_windows(
                level, weights.baseAddress, image.baseAddress, steps.baseAddress,
                lines.baseAddress, output.baseAddress, rowStep, rows, lines.count, width,
                steps.count)
            }
          }
        }
      }
    }
  }

  /// The kernels run without bounds: this is the check they stand on.
  private static func checkWindows(
    _ weights: Int, _ image: Int, _ steps: Span<Int>, _ lines: Span<Int>, rows: Int, width: Int,
    rowStep: Int, _ output: Int
  ) {
    var (least, most) = (Int.max, 0)
    for index in steps.indices {
      least = min(least, steps[index])
      most = max(most, steps[index])
    }
    precondition(least >= 0 && most < image, "steps from \(least) to \(most) in \(image)")
    let room = image - most - width
    for index in lines.indices {
      precondition(lines[index] >= 0 && lines[index] <= room, "a line outside of its image")
    }
    let written = lines.count * width
    precondition(
      rows > 0 && width > 0 && weights == rows * steps.count && rowStep >= written
        && output >= (rows - 1) * rowStep + written,
      "\(rows) rows of \(lines.count) lines of \(width) with \(weights) and \(output) elements")
  }

  /// As above, for products.
  private static func check(
    _ left: Int, _ right: Int, _ output: Int, rows: Int, inner: Int, columns: Int
  ) {
    precondition(
      rows >= 0 && inner >= 0 && columns >= 0 && left == rows * inner
        && right == inner * columns && output == rows * columns,
      "(\(rows), \(inner)) · (\(inner), \(columns)) with \(left), \(right) and \(output) elements")
  }
}
