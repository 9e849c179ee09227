import Testing

@testable import Tensors

@Suite struct Float8Tests {
  static let formats: [Float8] = [.e4m3fn, .e4m3fnuz, .e5m2, .e5m2fnuz, .e8m0]

  @Test(arguments: formats.indices)
  func `every value is its own nearest byte`(index: Int) {
    let format = Float8Tests.formats[index]
    for byte in UInt8.min...UInt8.max {
      let value = format.values[Int(byte)]
      let back = format.byte(nearest: value, saturates: false)
      if value.isNaN {
        #expect(format.values[Int(back)].isNaN)
      } else {
        #expect(back == byte, "\(value)")
      }
    }
  }

  @Test func `the largest values are those of the definition`() {
    let largest = Float8Tests.formats.map { $0.values.filter(\.isFinite).max() ?? 0 }
    #expect(largest == [448, 240, 57_344, 57_344, 0x1p127])
  }

  @Test func `a value between two goes to the nearer, a tie to the even one`() {
    #expect(Float8.e4m3fn.byte(nearest: 17, saturates: true) == 0x58)
    #expect(Float8.e4m3fn.byte(nearest: 17.01, saturates: true) == 0x59)
    #expect(Float8.e4m3fn.byte(nearest: 19, saturates: true) == 0x5A)
    #expect(Float8.e4m3fn.byte(nearest: 0x1p-10, saturates: true) == 0)
  }
}
