"""The servers that loadtest/peers stands beside: how each is installed, started and asked.

Each runs in a virtual environment of its own below `.build/`, made from
`peer_programs/NAME-requirements.txt` when it is missing, with as many workers or instances as there
are CPUs and one thread in each for the model.
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import sys
import time
import urllib.parse

from large_models import dense_network
from measuring import ROOT, Process, StartFailure, free_port

PROGRAMS = ROOT / "loadtest/peer_programs"
MODELS = ROOT / ".build/peers"
NETWORK_WIDTHS = [512, 2048, 2048, 512]
PACKAGES = {
    "fastapi": "fastapi",
    "mlserver": "mlserver",
    "azure": "azureml-inference-server-http",
    "triton": "nvidia-pytriton",
}


def environment(name):
    """The virtual environment, made when it is missing or its requirements have changed."""
    place = ROOT / f".build/peers-{name}-venv"
    requirements = PROGRAMS / f"{name}-requirements.txt"
    installed = place / "installed.txt"
    if not installed.exists() or installed.read_text() != requirements.read_text():
        subprocess.run([sys.executable, "-m", "venv", place], check=True)
        pip = [place / "bin/python", "-m", "pip", "install", "--quiet", "-r", requirements]
        subprocess.run(pip, check=True)
        shutil.copyfile(requirements, installed)
    return place


def make_models():
    """What all of them serve; the same at every run, so what is there stays."""
    MODELS.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "models/iris/1/model.onnx", MODELS / "iris.onnx")
    if not (MODELS / "network.json").exists():
        dense_network(MODELS / "network.onnx", NETWORK_WIDTHS)
        program = [environment("fastapi") / "bin/python", PROGRAMS / "make_models.py", MODELS]
        subprocess.run(program, check=True)


class Peer(Process):
    """A server of others, ready to score. `address` is where it listens, on loopback."""

    def __init__(self, name, folder, workers):
        self.name, self.venv = name, environment(name)
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir()
        self.port, self.workers = free_port(), workers
        self.address = f"http://127.0.0.1:{self.port}"
        command, ready, extra = getattr(self, f"prepare_{name}")()
        surroundings = os.environ | {"PEER_MODELS": str(MODELS), "OMP_NUM_THREADS": "1"} | extra
        super().__init__(command, self.folder / "log", surroundings, speaks=False)
        self.await_ready(ready)

    def prepare_fastapi(self):
        command = [self.venv / "bin/uvicorn", "fastapi_app:app", "--app-dir", PROGRAMS]
        command += ["--port", self.port, "--workers", self.workers]
        command += ["--no-access-log", "--log-level", "warning"]
        return command, "/ready", {}

    def prepare_azure(self):
        command = [self.venv / "bin/python", PROGRAMS / "azure_serve.py", "--port", self.port]
        command += ["--entry_script", PROGRAMS / "azure_score.py"]
        return command + ["--worker_count", self.workers], "/", {}

    def prepare_mlserver(self):
        settings = {
            "host": "127.0.0.1", "http_port": self.port, "grpc_port": free_port(),
            "metrics_port": free_port(), "parallel_workers": self.workers, "debug": False,
            # Otherwise in whatever folder the script is called from.
            "metrics_dir": str(self.folder / "metrics"),
        }
        (self.folder / "settings.json").write_text(json.dumps(settings))
        for model in ("iris", "forest"):
            place = self.folder / model
            place.mkdir()
            kind = f"mlserver_model.{model.capitalize()}"
            about = {"name": model, "implementation": kind}
            (place / "model-settings.json").write_text(json.dumps(about))
        command = [self.venv / "bin/mlserver", "start", self.folder]
        return command, "/v2/health/ready", {"PYTHONPATH": str(PROGRAMS)}

    def prepare_triton(self):
        packages = self.venv / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
        server = packages / "pytriton/tritonserver"
        backend = self.folder / "backends/python"
        shutil.copytree(server / "backends/python", backend, symlinks=True)
        stubs = server / f"python_backend_stubs/3.{sys.version_info.minor}"
        shutil.copy(stubs / "triton_python_backend_stub", backend)
        models = {
            "iris": (4, 3, ""),
            "forest": (28, 1, ""),
            "network": (512, 512, "dynamic_batching {}\n"),
        }
        for model, (width, outputs, batching) in models.items():
            place = self.folder / "models" / model / "1"
            place.mkdir(parents=True)
            shutil.copy(PROGRAMS / "triton_model.py", place / "model.py")
            rows = 32 if batching else 16384
            (place.parent / "config.pbtxt").write_text(
                f'name: "{model}"\nbackend: "python"\nmax_batch_size: {rows}\n'
                f'input [{{name: "input", data_type: TYPE_FP32, dims: [{width}]}}]\n'
                f'output [{{name: "output", data_type: TYPE_FP32, dims: [{outputs}]}}]\n'
                f"instance_group [{{count: {self.workers}, kind: KIND_CPU}}]\n{batching}"
            )
        command = [server / "bin/tritonserver", "--model-repository", self.folder / "models"]
        command += ["--backend-directory", self.folder / "backends", "--allow-grpc", "false"]
        command += ["--http-address", "127.0.0.1", "--http-port", self.port]
        command += ["--metrics-address", "127.0.0.1", "--metrics-port", free_port()]
        # The backend's program finds its packages by the first Python on the path.
        extra = {
            "PATH": f"{self.venv / 'bin'}:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
        }
        return command, "/v2/health/ready", extra

    def await_ready(self, path):
        end = time.monotonic() + 60
        while time.monotonic() < end and self.child.poll() is None:
            try:
                if request("GET", self.address + path)[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.2)
        self.stop()
        tail = self.log.read_text(errors="replace")[-3000:]
        raise StartFailure(f"{self.name} does not start: {tail}")

    def stop(self):
        status = super().stop()
        try:
            # Workers that outlive their parent: of the session that began with it.
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        return status

    def version(self):
        """What is installed, and of Triton also what it calls itself."""
        package = PACKAGES[self.name]
        pip = [self.venv / "bin/python", "-c", f"from importlib.metadata import version\n"
               f"print(version('{package}'), version('onnxruntime'))"]
        printed = subprocess.run(pip, capture_output=True, text=True, check=True).stdout.split()
        found = {package: printed[0], "onnxruntime": printed[1]}
        if self.name == "triton":
            found["triton"] = json.loads(request("GET", f"{self.address}/v2")[2])["version"]
        return found


def request(method, url, headers=None, body=None, timeout=30):
    """Status, headers by small names, and body."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=timeout)
    try:
        connection.request(method, place.path, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


# Bodies of one table of rows; each gives the headers that belong to it and the bytes.

JSON = {"Content-Type": "application/json"}
CODES = {"FP32": "f", "FP64": "d"}


def plain_body(rows, name="data"):
    return JSON, json.dumps({name: rows}).encode()


def v2_body(rows, source, output, kind="FP32"):
    tensor = {"name": source, "shape": [len(rows), len(rows[0])], "datatype": kind}
    tensor["data"] = [value for row in rows for value in row]
    return JSON, json.dumps({"inputs": [tensor], "outputs": [{"name": output}]}).encode()


def v2_binary_body(rows, source, output, kind="FP32"):
    values = [value for row in rows for value in row]
    tensors = struct.pack(f"<{len(values)}{CODES[kind]}", *values)
    head = {
        "inputs": [{
            "name": source, "shape": [len(rows), len(rows[0])], "datatype": kind,
            "parameters": {"binary_data_size": len(tensors)},
        }],
        "outputs": [{"name": output, "parameters": {"binary_data": True}}],
    }
    text = json.dumps(head).encode()
    headers = {"Content-Type": "application/octet-stream"}
    return headers | {"Inference-Header-Content-Length": str(len(text))}, text + tensors


def numbers_in(headers, body):
    """The numbers of an answer of any of these forms, one after the other."""
    if size := headers.get("inference-header-content-length"):
        output = json.loads(body[: int(size)])["outputs"][0]
        kind = CODES[output["datatype"]]
        return [value for (value,) in struct.iter_unpack(f"<{kind}", body[int(size) :])]
    found = json.loads(body)
    if isinstance(found, dict):
        found = found["predictions"] if "predictions" in found else found["outputs"][0]["data"]
    return flat(found)


def flat(values):
    if not isinstance(values, list):
        return [values]
    return [number for value in values for number in flat(value)]
