# `make run` serves the models of this repository; `make test` runs every test.
# The rest is for people who work on Swerve.

# Where `make run` listens and keeps its state: make run PORT=9000
HOST ?= 127.0.0.1
PORT ?= 8080
WORKSPACE ?= ./workspace
export HOST PORT WORKSPACE

# A toolchain unpacked to /opt/swift is found without being on the PATH.
export PATH := $(PATH):/opt/swift/usr/bin

.PHONY: run test build lint format corpus fuzz loadtest onnx-backend onnx-survey clean

run: build
	@.ci/run-gateway

build:
	@.ci/setup run
	swift build -c release --product swerve --static-swift-stdlib

# Those that failed are named once more at the end.
test:
	@.ci/setup test
	swift build --build-tests
	@.ci/run-tests

# Every model of ../shared/corpus (SWERVE_SHARED), by command and over HTTP, a line for each.
corpus:
	@.ci/setup test
	swift build --build-tests
	@swift test --skip-build --filter CorpusCheckTests >.build/corpus.log 2>&1; status=$$?; \
	  grep -E '^corpus|^skipped|recorded|Test run' .build/corpus.log; exit $$status

# Each reader of foreign bytes, 60 s of libFuzzer: make fuzz SECONDS=600
SECONDS ?= 60
fuzz:
	@.ci/setup run
	Tests/Fuzz/run $(SECONDS)

lint:
	swift format lint --strict --recursive Sources Tests loadtest Package.swift

format:
	swift format --in-place --recursive Sources Tests loadtest Package.swift

loadtest: build
	@.ci/setup test
	swift build -c release --product bare-handler --static-swift-stdlib
	loadtest/run

# Every backend case of the onnx package, beside ONNX Runtime; needs Python and the network once.
onnx-backend:
	swift build -c release --product onnx-score
	test -d .build/onnx-venv || python3 -m venv .build/onnx-venv
	.build/onnx-venv/bin/pip install --quiet -r Tests/ONNXBackend/requirements.txt
	.build/onnx-venv/bin/python Tests/ONNXBackend/run.py --scorer .build/release/onnx-score $(ONLY)

# Every operator with every element type, beside ONNX Runtime: make onnx-survey ONLY="--only Resize"
onnx-survey:
	swift build --product onnx-score
	test -d .build/onnx-venv || python3 -m venv .build/onnx-venv
	.build/onnx-venv/bin/pip install --quiet -r Tests/ONNXBackend/requirements.txt
	.build/onnx-venv/bin/python Tests/ONNXBackend/survey.py --scorer .build/debug/onnx-score $(ONLY)

clean:
	swift package clean
