// swift-tools-version: 6.2
import PackageDescription

// `.ci/run` sets SWERVE_STRICT: a warning in our own code is then an error. SwiftPM never
// applies it to dependencies, so a new compiler cannot break a user's build through them.
let strict: [SwiftSetting] =
  Context.environment["SWERVE_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)]

let settings: [SwiftSetting] =
  strict + [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
    // Generic code of one module that another uses is specialised there.
    .unsafeFlags(["-cross-module-optimization"], .when(configuration: .release)),
    // The checks of overlapping accesses run in every test build; a request pays for none.
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
  ]

// For the modules that call C: every unsafe step is marked where it stands.
let boundarySettings: [SwiftSetting] = settings + [.strictMemorySafety()]

let package = Package(
  name: "swerve",
  products: [
    .executable(name: "swerve", targets: ["CLI"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
    .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
  ],
  targets: [
    .target(name: "CMicroHTTPD", linkerSettings: [.linkedLibrary("microhttpd")]),
    .systemLibrary(name: "CJansson", pkgConfig: "jansson", providers: [.apt(["libjansson-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CGnuTLS", pkgConfig: "gnutls", providers: [.apt(["libgnutls28-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CLinux"),
    .systemLibrary(name: "CTreeKernel"),
    .systemLibrary(name: "CDecimals"),

    .target(name: "Tensors", dependencies: ["COpenBLAS"], swiftSettings: boundarySettings),
    .target(
      name: "Documents", dependencies: ["CJansson", .product(name: "Yams", package: "Yams")],
      swiftSettings: boundarySettings),
    .target(
      name: "Store", dependencies: ["CLinux", .product(name: "GRDB", package: "GRDB.swift")],
      swiftSettings: settings),
    .target(name: "Digest", dependencies: ["CGnuTLS"], swiftSettings: boundarySettings),
    .target(name: "Compression", dependencies: ["CZlib"], swiftSettings: boundarySettings),
    .target(
      name: "HTTP", dependencies: ["CMicroHTTPD", "CGnuTLS", "CLinux"],
      swiftSettings: boundarySettings),
    .target(
      name: "Telemetry", dependencies: ["CLinux", .product(name: "Logging", package: "swift-log")],
      swiftSettings: settings),
    .target(
      name: "Executors", dependencies: ["CTreeKernel", "Tensors"], swiftSettings: settings),
    .target(name: "ONNX", dependencies: ["Executors", "Tensors"], swiftSettings: settings),
    .target(
      name: "Registry", dependencies: ["Store", "Documents", "Digest"], swiftSettings: settings),
    .target(
      name: "Serving",
      dependencies: [
        "Registry", "Store", "Documents", "Digest", "ONNX", "Executors", "Tensors", "Telemetry",
        "CDecimals",
      ],
      swiftSettings: settings),
    .target(
      name: "BatchScoring",
      dependencies: [
        "Serving", "Registry", "Executors", "Tensors", "Documents", "Telemetry", "Store",
        "Digest", "Compression", "CLinux",
      ],
      swiftSettings: settings),
    .target(
      name: "Gateway",
      dependencies: [
        "BatchScoring", "Serving", "Registry", "Store", "Documents", "Digest", "HTTP",
        "Compression", "Telemetry",
        "Executors", "Tensors",
      ],
      swiftSettings: settings),
    .executableTarget(
      name: "CLI",
      dependencies: [
        "Gateway", "BatchScoring", "Serving", "Registry", "Store", "Documents", "Digest", "HTTP",
        "Telemetry", "Executors", "Tensors", "Compression",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),

    // What the load test measures against: libmicrohttpd with nothing on top.
    .executableTarget(
      name: "bare-handler", dependencies: ["CMicroHTTPD"], path: "loadtest/BareHandler",
      swiftSettings: settings),

    // Sends its requests at fixed times, however the server fares.
    .executableTarget(name: "open-loop", path: "loadtest/OpenLoop", swiftSettings: settings),

    // One batch job on a workspace of its own, for loadtest/batch-kill-campaign.
    .executableTarget(
      name: "batch-run",
      dependencies: ["BatchScoring", "Serving", "Registry", "Store", "Telemetry"],
      path: "loadtest/BatchRun", swiftSettings: settings),

    // One model on one thread, for loadtest/engines.
    .executableTarget(
      name: "engine-run", dependencies: ["ONNX", "Executors", "Tensors"],
      path: "loadtest/EngineRun", swiftSettings: settings),

    // Answers the cases of Tests/ONNXBackend/run.py.
    .executableTarget(
      name: "onnx-score", dependencies: ["ONNX", "Executors", "Tensors"],
      path: "Tests/ONNXBackend/Score", swiftSettings: settings),

    // The readers of foreign bytes, called alike by the fuzzer and by the tests of its seeds.
    .target(
      name: "FuzzReaders",
      dependencies: ["Serving", "ONNX", "Executors", "Documents", "Tensors"],
      path: "Tests/Fuzz/Readers", swiftSettings: settings),

    // Files that lie, read under a limit of memory, for the tests of every reader.
    .target(name: "AllocationLimit", path: "Tests/AllocationLimit"),
    .target(
      name: "Mutants", dependencies: ["AllocationLimit", "Executors"],
      path: "Tests/Mutants", swiftSettings: settings),

    // An empty folder for one test, gone with it.
    .target(name: "TestFolders", path: "Tests/TestFolders", swiftSettings: settings),

    // Bounds on times, judged on a machine that has its CPUs.
    .target(name: "TestTimes", path: "Tests/TestTimes", swiftSettings: settings),

    // A model that sleeps, spins or fails as a test wants it to.
    .target(
      name: "TestExecutors", dependencies: ["Executors", "Telemetry", "Tensors"],
      path: "Tests/TestExecutors", swiftSettings: settings),

    .testTarget(
      name: "BatchScoringTests",
      dependencies: [
        "BatchScoring", "Serving", "Registry", "Executors", "Tensors", "Documents", "Store",
        "Digest", "Telemetry", "Compression", "TestFolders", "TestTimes",
      ],
      exclude: ["Fixtures"],
      swiftSettings: settings),
    .testTarget(
      name: "TensorsTests", dependencies: ["Tensors"],
      swiftSettings: settings),
    .testTarget(
      name: "DocumentsTests", dependencies: ["Documents"],
      swiftSettings: settings),
    .testTarget(
      name: "StoreTests", dependencies: ["Store", "TestFolders"],
      swiftSettings: settings),
    .testTarget(
      name: "DigestTests", dependencies: ["Digest"],
      swiftSettings: settings),
    .testTarget(
      name: "CompressionTests", dependencies: ["Compression"],
      swiftSettings: settings),
    .testTarget(
      name: "HTTPTests", dependencies: ["HTTP", "TestFolders", "TestTimes"],
      swiftSettings: settings),
    .testTarget(
      name: "TelemetryTests", dependencies: ["Telemetry"],
      swiftSettings: settings),
    .testTarget(
      name: "ExecutorsTests", dependencies: ["Executors", "Mutants", "Tensors"],
      exclude: ["Fixtures"],
      swiftSettings: settings),
    .testTarget(
      name: "ONNXTests", dependencies: ["ONNX", "Mutants", "Executors", "Tensors"],
      exclude: ["Fixtures"],
      swiftSettings: settings),
    .testTarget(
      name: "RegistryTests",
      dependencies: ["Registry", "Store", "Documents", "Digest", "TestFolders"],
      swiftSettings: settings),
    .testTarget(
      name: "ServingTests",
      dependencies: [
        "Serving", "Registry", "Store", "Documents", "Digest", "ONNX", "Executors", "Tensors",
        "Telemetry", "FuzzReaders", "Mutants", "TestExecutors", "TestFolders", "TestTimes",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "GatewayTests",
      dependencies: [
        "Gateway", "BatchScoring", "Serving", "Registry", "Store", "Documents", "Digest", "HTTP",
        "Compression", "Telemetry", "Executors", "Tensors", "TestExecutors", "TestFolders",
        "TestTimes",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "CLITests",
      dependencies: [
        "CLI", "Gateway", "Serving", "Registry", "Documents", "HTTP", "Tensors", "Compression",
        "TestTimes",
      ],
      swiftSettings: settings),
  ]
)

// `make fuzz` sets it: only then is there a program whose `main` is libFuzzer's. Of `Serving` it
// takes the request bodies alone, which stand on no database.
if Context.environment["SWERVE_FUZZ"] != nil {
  for target in package.targets where target.name == "Serving" {
    target.exclude = [
      "Batching", "Clients", "Control", "Mirroring", "Models", "Resources", "Routing", "Schedules",
    ]
    target.dependencies = ["Documents", "Executors", "Tensors", "CDecimals"]
  }
  package.targets.append(
    .executableTarget(
      name: "fuzz", dependencies: ["FuzzReaders"], path: "Tests/Fuzz/Driver",
      swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]))
}
