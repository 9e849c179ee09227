import Testing

@testable import Gateway

struct GatewayConfigurationTests {
  @Test func `the defaults can start`() {
    #expect(GatewayConfiguration().faults() == [])
  }

  @Test func `all faults are told together`() {
    var configuration = GatewayConfiguration()
    configuration.host = "0.0.0.0"
    configuration.threads = 65
    configuration.maxBodyBytes = 1
    configuration.logLevel = "loud"
    configuration.queueFullStatus = 500
    configuration.quickModels = [(name: "a", path: "/nonexistent")]
    configuration.applyPath = "/nonexistent"
    let faults = configuration.faults()
    #expect(faults.count == 8)
    for flag in [
      "--host", "--threads", "--max-body-bytes", "--log-level", "--model", "--apply",
      "--v2-queue-full-status",
    ] {
      #expect(faults.contains { $0.hasPrefix(flag) }, "\(flag) in \(faults)")
    }
  }

  @Test(arguments: ["0.0.0.0", "192.168.1.5", "::", "gateway.example", "128.0.0.1"])
  func `off loopback needs TLS, or something in front that ends it`(host: String) {
    var configuration = GatewayConfiguration()
    configuration.host = host
    #expect(configuration.faults().count == 1)
    configuration.isTLSUpstream = true
    #expect(configuration.faults() == [])
  }

  @Test(arguments: ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
  func `loopback needs nothing`(host: String) {
    var configuration = GatewayConfiguration()
    configuration.host = host
    #expect(configuration.faults() == [])
    #expect(configuration.allowsOpenEndpoints)
  }

  @Test(arguments: ["0.0.0.0:8081", "[::]:0", "gateway.example:443"])
  func `the admin address off loopback needs TLS too`(address: String) {
    var configuration = GatewayConfiguration()
    configuration.adminAddress = address
    #expect(configuration.faults().count == 1)
    configuration.isTLSUpstream = true
    #expect(configuration.faults() == [])
    configuration.isTLSUpstream = false
    configuration.tlsCertificatePath = "/dev/null"
    configuration.tlsKeyPath = "/dev/null"
    #expect(configuration.faults() == [])
  }

  @Test(arguments: ["", "8081", ":8081", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80"])
  func `an admin address is a host and a port`(address: String) {
    var configuration = GatewayConfiguration()
    configuration.adminAddress = address
    #expect(configuration.faults().count == 1)
    configuration.adminAddress = "[::1]:0"
    #expect(configuration.faults() == [])
  }

  @Test func `a certificate needs its key`() {
    var configuration = GatewayConfiguration()
    configuration.tlsCertificatePath = "/dev/null"
    #expect(configuration.faults() == ["--tls-cert needs --tls-key too"])
    configuration.tlsKeyPath = "/dev/null"
    #expect(configuration.faults() == [])
  }

  @Test(arguments: ["ab", "1abc", "abc-", "a_bc", "a.bc", String(repeating: "a", count: 33)])
  func `a quick model's name is an endpoint's`(name: String) {
    var configuration = GatewayConfiguration()
    configuration.quickModels = [(name: name, path: "/dev/null")]
    #expect(configuration.faults().count == 1)
  }
}
