import Executors
import Tensors
import Testing

@Suite struct TreeRoundsTests {
  private func answers(_ file: String, _ rounds: TreeRounds) throws -> [UInt64] {
    let model = try NativeModel.load(path: "\(Fixtures.folder)/\(file)", rounds: rounds)
    let rows = try Fixtures.array("\(Fixtures.folder)/\(file.split(separator: ".")[0]).X.npy")
    return bits(
      try tensor(model.predict([rows], outputs: [0], scratch: model.makeScratch())[0]))
  }

  @Test(arguments: ["xgb_stopped", "xgb_stopped_dart", "xgb_stopped_vector"])
  func `the wrapper's file answers with its best rounds, a booster's with all`(
    name: String
  ) throws {
    let suffix = name == "xgb_stopped" ? "json" : "ubj"
    let wrapper = "\(name).\(suffix)"
    #expect(try answers(wrapper, .asSaved) == answers(wrapper, .best))
    #expect(try answers(wrapper, .asSaved) != answers(wrapper, .all))
    let bare = "\(name)_all.\(suffix)"
    #expect(try answers(bare, .asSaved) == answers(bare, .all))
    #expect(try answers(bare, .asSaved) != answers(bare, .best))
  }

  @Test func `the summary tells that not all trees answer`() throws {
    let model = try NativeModel.load(path: "\(Fixtures.folder)/xgb_stopped.json")
    #expect(model.summary.contains("(the best rounds of "))
    let all = try NativeModel.load(path: "\(Fixtures.folder)/xgb_stopped.json", rounds: .all)
    #expect(!all.summary.contains("best"))
  }
}
