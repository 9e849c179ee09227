internal import Glibc

/// A path's parts between its slashes, as the kernel sees them: by bytes.
///
/// Splitting by characters would miss a slash: with a combining mark behind it, it is part of
/// another character, and `..` behind it part of a longer name.
package func pathParts(_ path: String) -> [String] {
  path.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    .map { String(Substring($0)) }
}

/// The path that an existing file or folder has when all links are followed; of one that does not
/// exist, nil.
package func realPath(_ path: String) -> String? {
  guard let found = realpath(path, nil) else { return nil }
  defer { free(found) }
  return String(cString: found)
}
