/// Every setting of `swerve serve`: default, unit, range. Flags win over the `--config` file.
package struct GatewayConfiguration: Sendable {
  /// The folder that holds everything this gateway owns. Default `./workspace`.
  package var workspace = "./workspace"
  /// Where scoring listens. Default 127.0.0.1.
  package var host = "127.0.0.1"
  /// 0 picks a free port. Default 8080.
  package var port: UInt16 = 8080
  /// Models to register and serve without any YAML: endpoint name and absolute path.
  package var quickModels: [(name: String, path: String)] = []
  /// A file or folder of YAML applied at start and on SIGHUP.
  package var applyPath: String?
  /// Where the admin API listens over TCP, `127.0.0.1:8081`; nil: on the workspace's socket only.
  /// Port 0 picks a free port. Off loopback it needs TLS, as scoring does.
  package var adminAddress: String?
  /// PEM files; both or neither.
  package var tlsCertificatePath: String?
  package var tlsKeyPath: String?
  /// Something in front ends TLS: plain HTTP off loopback is then allowed.
  package var isTLSUpstream = false
  /// The scoring address that callers use, `https://models.example.org`, where it is not the one
  /// listened on; nil: that one.
  package var publicURL: String?
  /// A folder with `<endpoint>/primary` and optionally `<endpoint>/secondary`.
  package var keysFolder: String?
  /// Largest body of a scoring request, bytes. Default 64 MiB.
  package var maxBodyBytes = 64 << 20
  /// Bytes of all scoring requests' bodies that may be held at the same time; further requests get
  /// 503. Default 1 GiB, or what one body may have.
  package var maxBodyBytesInFlight: Int?
  /// Bytes that packages on their way from other machines may have together. Default 4 GiB.
  package var maxUploadBytes = 4 << 30
  /// Default 10,000.
  package var maxConnections = 10_000
  /// Wrong keys a minute that one address may send before it is answered 429; 0: any number.
  /// Behind a proxy (`isTLSUpstream`), whose address says nothing, none are counted. Default 20.
  package var maxKeyFailures = 20
  /// How long new connections are still accepted after SIGTERM. Default 0 s.
  package var drainDelay = Duration.zero
  /// How long requests in flight may take after that. Default 30 s.
  package var drainTimeout = Duration.seconds(30)
  /// `debug`, `info`, `warning`, `error`. Default `info`.
  package var logLevel = "info"
  /// HTTP threads, and as many that run what waits; 0: the cgroup's CPU quota.
  package var threads = 0
  /// Serves `/invocations` and `/v2` without a name; nil: the only endpoint there is.
  package var defaultEndpoint: String?
  /// What `/v2` says that this server is. Default `swerve`.
  package var serverName = "swerve"
  /// What `/v2` answers where a deployment's queue is full: 503 as Triton does, or 429. Default 503.
  package var queueFullStatus = 503
  /// Whether an admin key may load and unload models over the scoring address. Default off.
  package var allowsModelControl = false

  package init() {}
}
