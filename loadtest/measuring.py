"""What the scripts here share: the two servers as processes of ours, wrk, and /proc."""

import datetime
import http.client
import json
import os
import pathlib
import platform
import select
import signal
import socket
import subprocess
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE = pathlib.Path(os.environ.get("SWERVE_BUILD", ROOT / ".build/release"))
SWERVE = RELEASE / "swerve"


class StartFailure(Exception):
    """A server that did not come up; the text says what it printed."""


class Process:
    """One child: SIGTERM when left, SIGKILL after 40 s."""

    def __init__(self, command, log, environment=None, speaks=True):
        """What it prints is for `first_line`, or joins the log of one that does not speak to us."""
        self.log = pathlib.Path(log)
        with open(log, "ab") as output:
            # In a session of its own: Ctrl-C ends the script, and the script ends the child.
            self.child = subprocess.Popen(
                [str(part) for part in command],
                stdout=subprocess.PIPE if speaks else output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=environment,
            )
        self.pid = self.child.pid

    def first_line(self, timeout):
        ready, _, _ = select.select([self.child.stdout], [], [], timeout)
        return self.child.stdout.readline().decode() if ready else ""

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(40)
            except subprocess.TimeoutExpired:
                self.child.kill()
        if self.child.stdout:
            self.child.stdout.close()
        return self.child.wait()

    def kill(self):
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()
        self.child.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Gateway(Process):
    """`swerve serve` with keys, metrics and the request log, ready to score."""

    def __init__(
        self, workspace, folder, apply="models", keys_needed=(), keys=None, options=()
    ):
        if not SWERVE.exists():
            raise SystemExit(f"{SWERVE} is missing: make build")
        self.workspace = pathlib.Path(workspace)
        command = [SWERVE, "serve", "--workspace", workspace, "--port", "0"]
        command += options
        if apply:
            command += ["--apply", ROOT / apply]
        super().__init__(command, pathlib.Path(folder) / "gateway.log")
        line = self.first_line(60)
        if not line:
            self.stop()
            tail = self.log.read_text(errors="replace")[-2000:]
            raise StartFailure(f"swerve serve ended with {self.child.returncode}: {tail}")
        self.address = json.loads(line)["address"]
        self.keys = keys or {name: self.key(name) for name in keys_needed}
        self.threads = len(os.sched_getaffinity(0))

    def command(self, *arguments, check=True):
        return swerve(self.workspace, *arguments, check=check)

    def key(self, endpoint):
        arguments = ["online-endpoint", "get-credentials", "-n", endpoint]
        return self.command(*arguments, "--query", "primaryKey", "-o", "tsv").stdout.strip()

    def headers(self, endpoint):
        pin = {"azureml-model-deployment": "blue"} if endpoint == "breast-cancer" else {}
        return {
            "Authorization": f"Bearer {self.keys[endpoint]}",
            "Content-Type": "application/json",
        } | pin


class BareHandler(Process):
    """The ceiling, with as many threads and as long an answer."""

    def __init__(self, threads, response_bytes, folder, extra=()):
        program = RELEASE / "bare-handler"
        if not program.exists():
            raise SystemExit(
                f"{program} is missing: swift build -c release --product bare-handler "
                "--static-swift-stdlib"
            )
        port = free_port()
        options = ["--port", port, "--threads", threads, "--response-bytes", response_bytes]
        options += extra
        super().__init__([program, *options], pathlib.Path(folder) / "bare-handler.log")
        self.first_line(10)
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, body):
        connection = http.client.HTTPConnection(self.address.split("//")[1], timeout=10)
        connection.request("POST", "/", body)
        return connection.getresponse().read()


def swerve(workspace, *arguments, check=True, timeout=120):
    """Runs a command of `swerve` on a workspace."""
    command = [str(SWERVE), *map(str, arguments), "--workspace", str(workspace)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT)
    if check and result.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {result.returncode}: {result.stderr}")
    return result


def ask(gateway, endpoint, body):
    """One request: status and body."""
    connection = http.client.HTTPConnection(gateway.address.split("//")[1], timeout=10)
    try:
        path = f"/endpoints/{endpoint}/score"
        connection.request("POST", path, body, gateway.headers(endpoint))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Prints what wrk keeps in its histogram, so that runs can be pooled, and not only averaged.
# With LOADTEST_TARGETS, a file of lines `path key`, each request is for the next of them.
WRK_SCRIPT = """
local file = io.open(os.getenv("LOADTEST_BODY"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
local targets = os.getenv("LOADTEST_TARGETS")
if targets then
  local turns, turn = {}, 0
  init = function()
    for line in io.lines(targets) do
      local path, key = line:match("(%S+) (%S+)")
      wrk.headers["Authorization"] = "Bearer " .. key
      turns[#turns + 1] = wrk.format(nil, path)
    end
  end
  request = function()
    turn = turn % #turns + 1
    return turns[turn]
  end
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("SUMMARY %d %d %d\\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  for index = 1, #latency do
    local value, count = latency(index)
    io.write(string.format("LATENCY %d %d\\n", value, count))
  end
end
"""


def run_wrk(url, headers, body_file, connections, seconds, folder, targets=None):
    """One run: requests, rate, failures, and the latencies as {microseconds: count}."""
    script = pathlib.Path(folder) / "wrk.lua"
    script.write_text(WRK_SCRIPT)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    result = subprocess.run(
        command + ["-s", str(script), url],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        env=os.environ
        | {"LOADTEST_BODY": str(body_file)}
        | ({"LOADTEST_TARGETS": str(targets)} if targets else {}),
    )
    latencies, summary = {}, None
    for line in result.stdout.splitlines():
        words = line.split()
        if words[:1] == ["SUMMARY"]:
            summary = [int(word) for word in words[1:]]
        elif words[:1] == ["LATENCY"]:
            latencies[int(words[1])] = int(words[2])
    if not summary or not summary[0]:
        raise SystemExit(f"wrk measured nothing: {result.stdout}{result.stderr}")
    requests, microseconds, failures = summary
    return {
        "requests": requests,
        "rate": requests / microseconds * 1e6,
        "failures": failures,
        "latencies": latencies,
    }


def become_other_machine():
    """The clients stand for another machine: what runs on this one must not make them late, and
    their lateness pass for the server's. Only root may; without it they share the CPUs."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pass


def open_loop(gateway, endpoint, body, rate, seconds, connections=1000):
    """Sends `rate` requests a second at fixed times; what `open-loop` says of them."""
    url = f"{gateway.address}/endpoints/{endpoint}/score"
    return run_open_loop(url, gateway.headers(endpoint), body, rate, seconds, connections)


def run_open_loop(url, headers, body_file, rate, seconds, connections=1000):
    program = RELEASE / "open-loop"
    if not program.exists():
        raise SystemExit(f"{program} is missing: swift build -c release --product open-loop")
    place = urllib.parse.urlsplit(url)
    command = [program, "--port", place.port, "--path", place.path, "--rate", rate]
    command += ["--seconds", seconds, "--body", body_file, "--connections", connections]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        preexec_fn=become_other_machine,
    )
    if result.returncode:
        raise SystemExit(f"open-loop ended with {result.returncode}: {result.stderr}")
    return json.loads(result.stdout)


def pooled_percentile(results, percent):
    """Over all samples of all runs, microseconds."""
    pooled = {}
    for result in results:
        for value, count in result["latencies"].items():
            pooled[value] = pooled.get(value, 0) + count
    rank, seen = sum(pooled.values()) * percent / 100, 0
    for value in sorted(pooled):
        seen += pooled[value]
        if seen >= rank:
            return value
    return 0


def quartiles(values):
    """First quartile, median, third quartile."""
    ordered = sorted(values)

    def at(share):
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    return at(0.25), at(0.5), at(0.75)


def cpu_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def family(pid):
    """The process and all that descend from it."""
    children = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for process in found:
        found += children.get(process, [])
    return found


def proportional_megabytes(processes):
    """Their memory together; what several share is counted once."""
    kilobytes = 0
    for pid in processes:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024


def cpu_ticks():
    """All CPUs' time, and what of it the host gave to others."""
    fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    numbers = [int(field) for field in fields]
    return sum(numbers), numbers[7]


def undisturbed(measure, attempts=4, most=0.05):
    """What `measure` returns, of several attempts that from which the host took the least CPU
    time, and that share. The first from which it took no more than `most` is the last."""
    best = None
    for _ in range(attempts):
        before = cpu_ticks()
        result = measure()
        after = cpu_ticks()
        share = (after[1] - before[1]) / max(after[0] - before[0], 1)
        if best is None or share < best[1]:
            best = (result, share)
        if share <= most:
            break
    return best[0], round(best[1], 3)


def machine():
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": commit or "unknown",
        "cpu": model,
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
    }
