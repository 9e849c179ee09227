/// `model.yml`: Azure ML's model.schema, with our key `swerve:`.
package enum ModelYAML {
  static let fileName = "model.yml"
}
