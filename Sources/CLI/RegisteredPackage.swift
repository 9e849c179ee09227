import Digest
import Documents
import Glibc
import Registry

/// A version that the gateway has already with exactly the files that lie here: they need not be
/// sent again.
struct RegisteredPackage {
  let name: String
  let version: String
  /// The artifact's path at the gateway.
  let path: String

  /// nil when there is none, or it differs in anything but the words of its `model.yml`.
  init?(_ package: ModelRegistration, at control: ControlClient) throws(CommandFailure) {
    guard let version = package.version, !package.name.isEmpty else { return nil }
    let answer = try control.send(
      "GET", "models/\(package.name.percentEncoded)/versions/\(version.percentEncoded)",
      accepting: [400, 404])
    let view = ResourceViews.model(answer.body)
    guard answer.status == 200, let path = ResourceViews.text(view, "path"),
      ResourceViews.text(view, "type") == package.type,
      try RegisteredPackage.isEqual(package, ResourceViews.elements(view, named: "files"))
    else { return nil }
    name = package.name
    self.version = version
    self.path = path
  }

  var reference: DocumentValue { ["name": .string(name), "version": .string(version)] }

  private static func isEqual(
    _ package: ModelRegistration, _ registered: [DocumentValue]
  ) throws(CommandFailure) -> Bool {
    var known: [String: String] = [:]
    for file in registered {
      guard let path = ResourceViews.text(file, "path"), path != ModelYAML.fileName else {
        continue
      }
      known[path] = ResourceViews.text(file, "sha256")
    }
    do throws(RegistryError) {
      let files = try PackageSource(package).files.filter {
        $0.packagePath != ModelYAML.fileName
      }
      guard Set(files.map(\.packagePath)) == Set(known.keys) else { return false }
      for file in files {
        let descriptor = try file.open()
        defer { close(descriptor) }
        let found: String
        do throws(DigestError) {
          found = try SHA256.hex(ofDescriptor: descriptor, path: file.packagePath).hash
        } catch {
          throw RegistryError.unreadable(path: file.packagePath, reason: error.description)
        }
        guard found == known[file.packagePath] else { return false }
      }
      return true
    } catch {
      throw CommandFailure("\(error)")
    }
  }
}
