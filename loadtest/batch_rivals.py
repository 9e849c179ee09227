"""What loadtest/batch runs in its virtual environment: the data, the rivals, the comparison.

    batch_rivals.py make FOLDER ROWS              table.csv and model.txt, once
    batch_rivals.py polars|pandas TABLE MODEL OUTPUT THREADS
    batch_rivals.py compare TABLE MODEL OUTPUT…

Each prints one line of JSON. The rivals do what a careful user of the library writes, and count
their time from behind the imports to the fsynced file.
"""

import json
import os
import pathlib
import resource
import sys
import time

COLUMNS = 28
TREES = 500
TRAINING_ROWS = 200_000


def numbers(random, count):
    """Columns as HIGGS has them: momenta, angles, tags of few values, masses; with a label."""
    import numpy

    table = numpy.empty((count, COLUMNS), dtype=numpy.float32)
    for column in range(COLUMNS):
        if column % 4 == 0:
            table[:, column] = random.lognormal(-0.1, 0.5, count)
        elif column % 4 == 3 and column < 20:
            table[:, column] = random.choice([0, 1.0865381, 2.1730762, 2.5482244], count)
        elif column < 21:
            table[:, column] = random.normal(0, 1, count)
        else:
            table[:, column] = random.lognormal(0, 0.35, count)
    score = (
        table[:, 0] * table[:, 1] - table[:, 21] * table[:, 5] + table[:, 25] ** 2
        - numpy.abs(table[:, 9]) + table[:, 3] * table[:, 13] - table[:, 27] * table[:, 26]
    )
    label = score + random.normal(0, 1, count) > 0
    return table, label


def train(path):
    """LightGBM's model of these columns; what drew its rows can draw more."""
    import lightgbm
    import numpy

    random = numpy.random.Generator(numpy.random.PCG64(20261121))
    training, label = numbers(random, TRAINING_ROWS)
    if not path.exists():
        parameters = {
            "objective": "binary", "num_leaves": 31, "learning_rate": 0.05, "seed": 1,
            "deterministic": True, "force_row_wise": True, "verbose": -1,
        }
        names = [f"f{column}" for column in range(COLUMNS)]
        data = lightgbm.Dataset(training.astype(float), label, feature_name=names)
        lightgbm.train(parameters, data, TREES).save_model(path)
    return random


def make(folder, rows):
    import polars

    table_path = folder / "table.csv"
    random = train(folder / "model.txt")
    names = [f"f{column}" for column in range(COLUMNS)]
    if not table_path.exists():
        table, _ = numbers(random, rows)
        part = table_path.with_suffix(".part")
        polars.DataFrame(table, schema=names, orient="row").write_csv(part)
        part.rename(table_path)
    # In the page cache for everyone.
    size = 0
    with open(table_path, "rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
    print(json.dumps({"rows": rows, "bytes": size, "columns": COLUMNS, "trees": TREES}))


def sync(path):
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    os.close(file)


def report(begin, cpu):
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = time.perf_counter() - begin
    print(json.dumps({"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime - cpu}))


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def with_polars(table, model, output, threads):
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import lightgbm
    import polars

    begin, cpu = time.perf_counter(), cpu_seconds()
    booster = lightgbm.Booster(model_file=model)
    rows = polars.read_csv(table, schema_overrides={f"f{i}": polars.Float64 for i in range(COLUMNS)})
    answers = booster.predict(rows.to_numpy(), num_threads=threads)
    polars.DataFrame({"prediction": answers}).with_row_index("row").write_csv(output)
    sync(output)
    report(begin, cpu)


def with_pandas(table, model, output, threads):
    import lightgbm
    import pandas

    begin, cpu = time.perf_counter(), cpu_seconds()
    booster = lightgbm.Booster(model_file=model)
    rows = pandas.read_csv(table)
    answers = booster.predict(rows, num_threads=threads)
    pandas.DataFrame({"prediction": answers}).to_csv(output, index_label="row")
    sync(output)
    report(begin, cpu)


def compare(table, model, outputs):
    """How many predictions are not LightGBM's own for the numbers that the text says."""
    import lightgbm
    import numpy
    import polars

    types = {f"f{i}": polars.Float64 for i in range(COLUMNS)}
    rows = polars.read_csv(table, schema_overrides=types).to_numpy()
    expected = lightgbm.Booster(model_file=model).predict(rows)
    differing = {}
    for path in outputs:
        found = polars.read_csv(path, schema_overrides={"prediction": polars.Float64})
        assert found["row"].to_numpy().tolist() == list(range(len(expected))), path
        bits = found["prediction"].to_numpy().view(numpy.uint64)
        differing[pathlib.Path(path).name] = int((bits != expected.view(numpy.uint64)).sum())
    print(json.dumps(differing))


def main():
    what, *rest = sys.argv[1:]
    if what == "make":
        make(pathlib.Path(rest[0]), int(rest[1]))
    elif what == "compare":
        compare(rest[0], rest[1], rest[2:])
    else:
        job = {"polars": with_polars, "pandas": with_pandas}[what]
        job(*rest[:3], int(rest[3]))


if __name__ == "__main__":
    main()
