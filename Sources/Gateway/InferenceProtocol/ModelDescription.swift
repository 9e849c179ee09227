internal import Documents
internal import Executors
internal import Serving
internal import Tensors

/// A deployment as the Open Inference Protocol describes it. Source: `WIRE.md` §2.1, §2.4.
struct ModelDescription {
  let name: String
  let deployment: LiveDeployment
  let versions: [String]
  /// What answers call the version.
  let version: String

  /// No limit is known here, and the protocol wants a number where a model takes rows.
  private static let maxBatchSize: Int64 = 65_536

  private struct TensorDescription {
    var name: String
    var type: ElementType
    var shape: [Int?]
    var isOptional = false
  }

  private var signature: ModelSignature { deployment.model.signature }

  private var inputs: [TensorDescription] {
    signature.inputs.map {
      TensorDescription(
        name: $0.name, type: $0.elementType, shape: $0.shape, isOptional: !$0.isRequired)
    }
  }

  private var outputs: [TensorDescription] {
    signature.outputs.flatMap { output in
      switch output.kind {
      case .tensor(let type, let shape):
        [TensorDescription(name: output.name, type: type, shape: shape)]
      case .maps(let keys, let values):
        [
          TensorDescription(name: output.name + MapPart.keys.suffix, type: keys, shape: [nil]),
          TensorDescription(
            name: output.name + MapPart.values.suffix, type: values, shape: [nil, nil]),
        ]
      }
    }
  }

  var metadata: DocumentValue {
    [
      "name": .string(name), "versions": .array(versions.map { .string($0) }),
      "platform": .string(deployment.model.format),
      "inputs": .array(inputs.map(metadata)), "outputs": .array(outputs.map(metadata)),
    ]
  }

  private func metadata(_ tensor: TensorDescription) -> DocumentValue {
    [
      "name": .string(tensor.name), "datatype": .string(tensor.type.wireName),
      "shape": .array(tensor.shape.map { .integer(Int64($0 ?? -1)) }),
    ]
  }

  var config: DocumentValue {
    let takesRows = signature.takesRows
    func dimensions(_ tensor: TensorDescription) -> DocumentValue {
      .array(tensor.shape.dropFirst(takesRows ? 1 : 0).map { .integer(Int64($0 ?? -1)) })
    }
    func typeName(_ tensor: TensorDescription) -> DocumentValue {
      .string("TYPE_" + (tensor.type == .string ? "STRING" : tensor.type.wireName))
    }
    var config = DocumentObject([
      "name": .string(name), "platform": .string(deployment.model.format), "backend": "swerve",
      "version_policy": ["latest": ["num_versions": 1]],
      "max_batch_size": .integer(takesRows ? Self.maxBatchSize : 0),
      "input": .array(
        inputs.map {
          [
            "name": .string($0.name), "data_type": typeName($0), "format": "FORMAT_NONE",
            "dims": dimensions($0), "is_shape_tensor": false, "allow_ragged_batch": false,
            "optional": .bool($0.isOptional),
          ]
        }),
      "output": .array(
        outputs.map {
          [
            "name": .string($0.name), "data_type": typeName($0), "dims": dimensions($0),
            "label_filename": "", "is_shape_tensor": false,
          ]
        }),
      "instance_group": [
        ["name": .string(name), "kind": "KIND_CPU", "count": 1, "gpus": []]
      ],
      "default_model_filename": "", "parameters": [:],
      "model_transaction_policy": ["decoupled": false], "response_cache": ["enable": false],
    ])
    // That it is there tells perf_analyzer that requests are joined.
    if let batching = deployment.specification.batching {
      config["dynamic_batching"] = [
        "max_queue_delay_microseconds": .integer(Int64(batching.maxQueueDelayMs) * 1000)
      ]
    }
    return .object(config)
  }

  /// One entry of `model_stats`, with every key of Triton's.
  var statistics: DocumentValue {
    let statistics = deployment.metrics.statistics
    func duration(_ count: UInt64, _ nanoseconds: UInt64) -> DocumentValue {
      ["count": number(count), "ns": number(nanoseconds)]
    }
    // Triton's rule: each request counts in each stage, also where several had one run.
    let answers = statistics.successCount
    let computing =
      statistics.decodeNanoseconds &+ statistics.executeNanoseconds
      &+ statistics.encodeNanoseconds
    return [
      "name": .string(name), "version": .string(version),
      "last_inference": .integer(statistics.lastAnswerMilliseconds),
      "inference_count": number(statistics.rowCount),
      "execution_count": number(statistics.executionCount),
      "inference_stats": [
        "success": duration(answers, statistics.queueNanoseconds &+ computing),
        "fail": duration(statistics.failureCount, statistics.failureNanoseconds),
        "queue": duration(answers, statistics.queueNanoseconds),
        "compute_input": duration(answers, statistics.decodeNanoseconds),
        "compute_infer": duration(answers, statistics.executeNanoseconds),
        "compute_output": duration(answers, statistics.encodeNanoseconds),
        "cache_hit": duration(0, 0), "cache_miss": duration(0, 0),
      ],
      "response_stats": [:],
      "batch_stats": .array(
        statistics.batches.map { batch in
          [
            "batch_size": number(batch.rows),
            "compute_input": duration(batch.count, batch.decodeNanoseconds),
            "compute_infer": duration(batch.count, batch.executeNanoseconds),
            "compute_output": duration(batch.count, batch.encodeNanoseconds),
          ]
        }),
      "memory_usage": [
        [
          "type": "CPU", "id": 0, "byte_size": .integer(Int64(deployment.artifactByteCount)),
        ]
      ],
    ]
  }

  private func number(_ value: UInt64) -> DocumentValue { .integer(Int64(clamping: value)) }
}
