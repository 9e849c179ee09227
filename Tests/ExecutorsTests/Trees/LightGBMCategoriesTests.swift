import Testing

@testable import Executors

@Suite struct LightGBMCategoriesTests {
  private func assign(_ counts: [Int], _ infos: String) -> [Int] {
    let features = infos.split(separator: " ").map { LightGBMCategories.Feature(info: $0) }
    var places = [Int](repeating: -1, count: counts.count)
    for (list, feature) in LightGBMCategories.assign(counts, to: features).pairs {
      places[list] = feature
    }
    return places
  }

  @Test func `lists go to the categorical features in order`() {
    #expect(assign([3, 2], "[0.5:2] -1:0:2 [1:9.5] 1:0") == [1, 3])
    #expect(assign([], "[0:1]") == [])
  }

  @Test func `an ordered categorical looks numeric, a constant one like none`() {
    #expect(assign([4, 4, 3, 1], "[-2.5:3] 0:1 3:2 [-1:1] [0:2] none") == [1, 2, 4, 5])
  }

  @Test func `a list that could belong to two features belongs to none`() {
    #expect(assign([3, 2], "[0:2] [0:2] 0:1") == [-1, 2])
    #expect(assign([2], "0:1 0:1") == [-1])
    #expect(assign([2], "0:5") == [-1])
  }

  @Test func `of a list without a place it is known where it may belong`() {
    let features = ["[0:2]", "[0:2]", "0:1", "[0.5:1]"].map {
      LightGBMCategories.Feature(info: $0)
    }
    let open = LightGBMCategories.assign([3, 2], to: features).open
    #expect(open.map(\.list) == [0] && open.map(\.features) == [[0, 1]])
    let none = LightGBMCategories.assign([2], to: [features[2], features[0]]).open
    #expect(none.isEmpty)
    let contradicted = LightGBMCategories.assign([9, 9, 9], to: [features[2], features[3]]).open
    #expect(contradicted.map(\.features) == [[0, 1], [0, 1], [0, 1]])
  }

  @Test func `names of any kind are read`() throws {
    let text = Array("[[\"a\\\"b\", \"\\u00e9\"], [10, 2.5], [false, true], []]".utf8)
    #expect(
      try LightGBMCategories.read(text.span.bytes) == [
        [.text("a\"b"), .text("é")], [.number(10), .number(2.5)], [.number(0), .number(1)], [],
      ])
    #expect(try LightGBMCategories.read(Array("null".utf8).span.bytes) == [])
    #expect(throws: ModelFormatError.self) {
      try LightGBMCategories.read(Array("[[1}]".utf8).span.bytes)
    }
  }

  @Test func `a category is found by its text or its digits`() {
    let categories = ColumnCategories(
      [.text("red"), .number(20), .text("7"), .number(7)], unknownIsMissing: true)
    #expect(categories.code(ofText: "red") == 0)
    #expect(categories.code(ofText: "20.0") == 1)
    #expect(categories.code(ofText: "7") == 2)
    #expect(categories.code(of: .number(7)) == 3)
    #expect(categories.code(ofText: "blue") == nil)
  }
}
