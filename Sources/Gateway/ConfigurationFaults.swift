#if canImport(Glibc)
  internal import Glibc
#endif

extension GatewayConfiguration {
  /// Every fault, told together; empty when it can start.
  package func faults() -> [String] {
    var faults: [String] = []
    if workspace.isEmpty { faults.append("--workspace is empty; expected a folder") }
    if host.isEmpty { faults.append("--host is empty; expected an address such as 127.0.0.1") }
    faults += tlsFaults + adminFaults + quickModelFaults
    if let applyPath, access(applyPath, R_OK) != 0 {
      faults.append("--apply \(applyPath): \(lastErrorText())")
    }
    if let keysFolder, !isFolder(keysFolder) {
      faults.append("--keys-dir \(keysFolder) is no folder")
    }
    if let defaultEndpoint, !isResourceName(defaultEndpoint) {
      faults.append("--default-endpoint is '\(defaultEndpoint)'; expected an endpoint's name")
    }
    if let publicURL, UsableAddress.publicAddress(publicURL) == nil {
      faults.append(
        "--public-url is '\(publicURL)'; expected an address such as https://models.example.org")
    }
    faults += range("--max-body-bytes", maxBodyBytes, 1024...(1 << 31))
    if let maxBodyBytesInFlight, maxBodyBytesInFlight < maxBodyBytes {
      faults.append(
        "--max-body-bytes-in-flight is \(maxBodyBytesInFlight), less than one body of "
          + "--max-body-bytes \(maxBodyBytes)")
    }
    faults += range("--max-upload-bytes", maxUploadBytes, 1024...(1 << 50))
    faults += range("--max-connections", maxConnections, 1...1_000_000)
    faults += range("--max-key-failures", maxKeyFailures, 0...1_000_000)
    faults += range("--threads", threads, 0...64)
    faults += range("--drain-delay", drainDelay, .zero ... .seconds(3600))
    faults += range("--drain-timeout", drainTimeout, .zero ... .seconds(3600))
    if ![429, 503].contains(queueFullStatus) {
      faults.append("--v2-queue-full-status is \(queueFullStatus); expected 429 or 503")
    }
    if !["debug", "info", "warning", "error"].contains(logLevel) {
      faults.append("--log-level is '\(logLevel)'; expected debug, info, warning or error")
    }
    return faults
  }

  /// Whether only this machine can reach the scoring address.
  var listensOnLoopback: Bool { isLoopback(host) }

  private var tlsFaults: [String] {
    var faults: [String] = []
    switch (tlsCertificatePath, tlsKeyPath) {
    case (nil, nil):
      if !host.isEmpty, !listensOnLoopback, !isTLSUpstream {
        faults.append(
          "--host \(host) can be reached from other machines: it needs --tls-cert and --tls-key, "
            + "or --tls-upstream when something in front ends TLS")
      }
    case (_?, nil): faults.append("--tls-cert needs --tls-key too")
    case (nil, _?): faults.append("--tls-key needs --tls-cert too")
    case (let certificate?, let key?):
      for (flag, path) in [("--tls-cert", certificate), ("--tls-key", key)]
      where access(path, R_OK) != 0 {
        faults.append("\(flag) \(path): \(lastErrorText())")
      }
    }
    return faults
  }

  private var adminFaults: [String] {
    guard let adminAddress else { return [] }
    guard let address = ListenAddress(adminAddress) else {
      return [
        "--admin-listen is '\(adminAddress)'; expected HOST:PORT such as 127.0.0.1:8081 or [::1]:0"
      ]
    }
    if isLoopback(address.host) || tlsCertificatePath != nil || isTLSUpstream { return [] }
    return [
      "--admin-listen \(adminAddress) can be reached from other machines: it needs --tls-cert and "
        + "--tls-key, or --tls-upstream when something in front ends TLS"
    ]
  }

  private var quickModelFaults: [String] {
    var faults: [String] = []
    var names: Set<String> = []
    for model in quickModels {
      if !isResourceName(model.name) {
        faults.append(
          "--model \(model.name)=…: an endpoint's name has 3 to 32 letters, digits and hyphens, "
            + "begins with a letter and ends with no hyphen")
      }
      if !names.insert(model.name.lowercased()).inserted {
        faults.append("--model \(model.name)=… is given twice")
      }
      if access(model.path, R_OK) != 0 {
        faults.append("--model \(model.name)=\(model.path): \(lastErrorText())")
      }
    }
    return faults
  }

  private func range<Value: Comparable>(
    _ flag: String, _ value: Value, _ allowed: ClosedRange<Value>
  ) -> [String] {
    if allowed.contains(value) { return [] }
    return ["\(flag) is \(value); expected \(allowed.lowerBound) to \(allowed.upperBound)"]
  }
}

/// `127.0.0.1:8081`, `gateway.example:8081`, `[::1]:0`.
struct ListenAddress: Equatable {
  /// Without brackets.
  var host: String
  var port: UInt16

  init?(_ text: String) {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...])
    else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = host.dropFirst().dropLast()
    } else if host.contains(":") {
      return nil
    }
    guard !host.isEmpty else { return nil }
    self.host = String(host)
    self.port = port
  }
}

/// `localhost`, 127.0.0.0/8 and ::1.
package func isLoopback(_ host: String) -> Bool {
  if host.lowercased() == "localhost" { return true }
  var four = in_addr()
  if inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
  var six = in6_addr()
  let text = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
  guard inet_pton(AF_INET6, text, &six) == 1 else { return false }
  return withUnsafeBytes(of: &six) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
}

/// Names of endpoints and deployments. Source: `AZUREML.md` §1.1.
private func isResourceName(_ name: String) -> Bool {
  let bytes = Array(name.utf8)
  guard (3...32).contains(bytes.count), let first = bytes.first, let last = bytes.last else {
    return false
  }
  func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte | 0x20) }
  func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  return isLetter(first) && (isLetter(last) || isDigit(last))
    && bytes.allSatisfy { isLetter($0) || isDigit($0) || $0 == UInt8(ascii: "-") }
}

private func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

func lastErrorText() -> String { String(cString: strerror(errno)) }
