extension String {
  /// Every control character as the picture that Unicode has of it: `␀` for NUL, `␊` for a line feed.
  ///
  /// Values of an input are told in sentences that the database keeps and terminals show. The one
  /// takes no NUL, and the other does what an escape tells it.
  var withControlPictures: String {
    // Nearly every text has none, in UTF-8 as little as in Unicode.
    guard unicodeScalars.contains(where: Self.isControl) else { return self }
    var scalars = UnicodeScalarView()
    for scalar in unicodeScalars {
      switch scalar.value {
      case 0..<0x20: scalars.append(Unicode.Scalar(0x2400 + scalar.value) ?? "\u{FFFD}")
      case 0x7F: scalars.append("\u{2421}")
      // These have no pictures.
      case 0x80..<0xA0: scalars.append("\u{FFFD}")
      default: scalars.append(scalar)
      }
    }
    return String(scalars)
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7F..<0xA0).contains(scalar.value)
  }
}
