import Foundation
import Serving
import Testing

@Suite struct SupportMatrixTests {
  private static let path = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("Sources/SUPPORT.md").path

  @Test func `the support matrix is what the code says`() throws {
    let written = try String(contentsOfFile: Self.path, encoding: .utf8)
    #expect(
      written == SupportMatrix.page,
      "write it again: swerve support-matrix > Sources/SUPPORT.md")
  }

  @Test func `it names operators, objectives and limits`() {
    let page = SupportMatrix.page
    for word in ["| Gemm |", "| TreeEnsembleClassifier | 1, 3, 5 |", "`lambdarank`"] {
      #expect(page.contains(word), "\(word)")
    }
    #expect(page.contains("`binary:logistic`"))
    #expect(page.contains("## Limits"))
  }
}
