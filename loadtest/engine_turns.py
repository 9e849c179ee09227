"""What the peers of loadtest/engines share: a peer is a process that takes turns.

`engine_trees.py` and `engine_networks.py` are both run as

    engine_….py make FOLDER               writes models and inputs once; prints the cases as JSON
    engine_….py serve PEER CASE OUTPUT    loads the case's model, writes its predictions of the whole
                                          input to OUTPUT (.npy), then measures a turn for each line
                                          `ROWS SECONDS` of standard input: one line of JSON each
    engine_turns.py compare FILE FILE     prints how many rows differ in some bit
    engine_turns.py distance FILE FILE    prints how far they are apart, as a share of what a
                                          deployment's warm-up allows: 1e-5 and 1e-4 of the value

A case is {"name", "model", "input", "peers", "library", "rows"}: the file that ours reads, a `.npy`
or {input's name: .npy}, the peers to measure, the one of them whose bits are the right ones (or null),
and the rows of a call that are measured. `engine-run --turns` answers the same lines for ours.
"""

import json
import sys
import time

# Calls are timed together until they take so long: as engine-run does.
SAMPLE_SECONDS = 50e-6


def serve(prepare, facts):
    """Measures a turn for each line of standard input.

    `prepare(rows)` gives a function `run(count)` that makes `count` calls of `rows` rows, each
    with the next rows of the input.
    """
    print(json.dumps(facts), flush=True)
    prepared = {}
    for line in sys.stdin:
        rows, seconds = line.split()
        rows, seconds = int(rows), float(seconds)
        run = prepared.get(rows) or prepared.setdefault(rows, prepare(rows))
        print(json.dumps(turn(run, rows, seconds)), flush=True)


def turn(run, rows, seconds):
    def call(count):
        begin = time.perf_counter()
        run(count)
        return time.perf_counter() - begin

    call(1)
    count = 1
    while call(count) < SAMPLE_SECONDS:
        count *= 2
    deadline = time.perf_counter() + seconds
    samples = []
    while not samples or time.perf_counter() < deadline:
        samples.append(call(count) / (count * rows) * 1e6)
    samples.sort()
    low, median, high = (samples[int(q * (len(samples) - 1))] for q in (0.25, 0.5, 0.75))
    return {
        "us_per_row": median, "low": low, "high": high, "rows": rows,
        "calls": len(samples) * count,
    }


def over_blocks(table, rows, predict, most=4096):
    """`run(count)` for a library that is called from Python: each call gets its own rows."""
    blocks = [table[at : at + rows] for at in range(0, len(table) - rows + 1, rows)][:most]
    place = 0

    def run(count):
        nonlocal place
        for _ in range(count):
            predict(blocks[place])
            place = place + 1 if place + 1 < len(blocks) else 0

    return run


def compare(one, other):
    import numpy

    first, second = numpy.load(one), numpy.load(other)
    if first.size != second.size or first.dtype != second.dtype:
        return -1
    rows = len(first)
    bits = [a.reshape(rows, -1).view(f"u{a.itemsize}") for a in (first, second)]
    return int((bits[0] != bits[1]).any(axis=1).sum())


def distance(one, other):
    import numpy

    first, second = (numpy.load(path).astype(float) for path in (one, other))
    if first.size != second.size:
        return -1
    second = second.reshape(first.shape)
    return float((abs(first - second) / (1e-5 + 1e-4 * abs(second))).max())


if __name__ == "__main__":
    print({"compare": compare, "distance": distance}[sys.argv[1]](*sys.argv[2:4]))
