import ArgumentParser
import BatchScoring
import Executors
import Serving

#if canImport(Glibc)
  import Glibc
#endif

/// `swerve score --format`: rows in on standard input, predictions out on standard output.
struct StreamOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Score rows from standard input: csv (with a header) or jsonl.", valueName: "csv|jsonl"))
  var format: TableDecoder.Format?
  @Option(
    help: ArgumentHelp(
      "How predictions are written. Default: as the input.", valueName: "csv|jsonl"))
  var outputFormat: PredictionColumns.Format?
  @Option(
    parsing: .unconditional,
    help: "Rows that may fail; -1: any number. A row that fails is named on standard error.")
  var errorThreshold = 0
  @Option(help: "Threads that score. Default: one a CPU.")
  var threads: Int?
  @Option(
    help: ArgumentHelp(
      "A column of the input that each line begins with, as it stands there. Repeatable.",
      valueName: "column"))
  var carry: [String] = []
  /// `loadtest/batch`: how fast rows are read where nothing is done with them.
  @Flag(help: .hidden) var readingAlone = false

  func run(_ model: LoadedModel, outputs: [Int]) throws(CommandFailure) {
    guard let format else { return }
    var columns = PredictionColumns()
    columns.carried = carry
    columns.format = outputFormat ?? (format == .csv ? .csv : .jsonl)
    let scoring = StreamScoring(
      model, outputs: outputs, format: format, columns: columns,
      threads: threads ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))),
      maxFaults: errorThreshold < 0 ? nil : errorThreshold)
    let name = "standard input"
    let mixing = model.executor.batchDependentNodes
    if let first = mixing.first {
      StandardError.write(
        "\(first): a row's result depends on those beside it, so each row is scored alone\n")
    }
    do throws(BatchError) {
      if readingAlone {
        let summary = try scoring.read(DescriptorSource(0, name: name), name: name)
        return StandardError.write("\(summary.scored) rows read, \(summary.failed) not\n")
      }
      _ = try scoring.run(
        DescriptorSource(0, name: name), name: name,
        write: { (bytes) throws(BatchError) in
          guard StandardOutput.write(bytes) else {
            throw .io("writing standard output", code: errno)
          }
        },
        tell: { fault in StandardError.write("\(name): \(fault.sentence)\n") })
    } catch {
      throw CommandFailure("\(error)")
    }
  }
}

extension TableDecoder.Format: ExpressibleByArgument {}
extension PredictionColumns.Format: ExpressibleByArgument {}
