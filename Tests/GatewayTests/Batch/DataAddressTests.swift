import Testing

@testable import Gateway

@Suite struct DataAddressTests {
  @Test(arguments: [
    ("azureml://datastores/workspaceblobstore/paths/a/b/", DataAddress.datastore(path: "a/b")),
    ("AzureML://Datastores/workspaceblobstore/paths/A", .datastore(path: "A")),
    ("azureml://datastores/workspaceblobstore/paths/", .datastore(path: "")),
    ("azureml://datastores/workspaceblobstore/paths/a%2e%2e/b", .datastore(path: "a%2e%2e/b")),
    (
      "azureml://datastores/workspaceblobstore/paths/paths/datastores",
      .datastore(path: "paths/datastores")
    ),
    (
      "azureml://subscriptions/s/resourcegroups/g/workspaces/w/datastores/workspaceblobstore/paths/x",
      .datastore(path: "x")
    ),
    (
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
        + "/datastores/workspaceblobstore/paths/x/y.csv", .datastore(path: "x/y.csv")
    ),
    ("azureml:rows:3", .asset(name: "rows", version: "3")),
    ("azureml:rows@latest", .asset(name: "rows", version: nil)),
    (
      "azureml:/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
        + "/workspaces/w/data/rows/versions/3", .asset(name: "rows", version: "3")
    ),
    (
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
        + "/data/rows/versions/3", .asset(name: "rows", version: "3")
    ),
    (
      "azureml://locations/l/workspaces/i/data/rows/labels/latest",
      .asset(name: "rows", version: nil)
    ),
    ("azureml://locations/l/workspaces/i/data/rows/versions/2", .asset(name: "rows", version: "2")),
    ("/data/in", .local("/data/in")),
    ("file:///data/in/", .local("/data/in")),
  ])
  func `each form is read`(text: String, address: DataAddress) throws {
    #expect(try DataAddress(text) == address)
  }

  @Test(arguments: [
    ("", "no address"), ("a/b", "no address"), ("../b", "no address"),
    ("azureml://datastores/workspaceblobstore/paths/../x", "the part '..'"),
    ("azureml://datastores/workspaceblobstore/paths/a/../../x", "the part '..'"),
    ("azureml://datastores/workspaceblobstore/paths/a/./x", "the part '.'"),
    ("azureml://datastores/workspaceblobstore/paths/a//x", "the part ''"),
    ("azureml://datastores/workspaceblobstore/paths//etc/passwd", "the part ''"),
    // A combining mark makes one character of it and the slash; to the kernel it is a slash.
    ("azureml://datastores/workspaceblobstore/paths/a/\u{301}/../../x", "the part '..'"),
    ("azureml://datastores/workspaceblobstore/paths/a\u{0}b", "control character"),
    ("azureml://datastores/workspaceblobstore/paths/a\nb", "control character"),
    ("azureml://datastores/other/paths/x", "the datastore 'other'; there is only"),
    ("azureml://datastores/workspaceblobstore", "names no data"),
    ("azureml://registries/r/data/x/versions/1", "lies in registries"),
    ("azureml://jobs/j/outputs/score/paths/x", "lies in jobs"),
    ("azureml:rows", "has no version"), ("azureml:ro ws:1", "no data asset's name"),
    ("azureml:../x:1", "no data asset's name"),
    ("azureml:rows@newest", "the only label is 'latest'"),
    ("http://169.254.169.254/latest", "is on 'http'"), ("https://h/x.csv", "is on 'https'"),
    ("wasbs://c@a.blob.core.windows.net/x", "is on 'wasbs'"), ("abfss://x", "is on 'abfss'"),
    ("s3://b/x", "is on 's3'"), ("file://host/x", "is on 'file'"), ("//host/share", "no address"),
    ("\\\\host\\share", "no address"), ("/a/../etc/passwd", "the part '..'"),
    ("file:///a/../etc", "the part '..'"),
  ])
  func `what is none, or leads out, is refused by name`(text: String, words: String) {
    let error = #expect(throws: DataAddress.Refusal.self) { try DataAddress(text) }
    #expect(error?.reason.contains(words) == true, "\(error as Any)")
  }

  @Test func `names that no file system takes are refused`() {
    let base = "azureml://datastores/workspaceblobstore/paths/"
    for path in [String(repeating: "a", count: 256), String(repeating: "a/", count: 3000)] {
      #expect(throws: DataAddress.Refusal.self) { try DataAddress(base + path) }
    }
  }
}
