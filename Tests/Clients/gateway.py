"""What every client test needs to know of the gateway that the Swift test has started."""

import json
import os
import pathlib

URL = os.environ["SWERVE_URL"]
ADDRESS = URL.removeprefix("http://")
KEYS = json.loads(os.environ["SWERVE_KEYS"])
ADMIN_KEY = os.environ["SWERVE_ADMIN_KEY"]
MODELS = pathlib.Path(os.environ["SWERVE_MODELS"])


def bearer(endpoint):
    return {"Authorization": "Bearer " + KEYS[endpoint]}


def sample(model):
    """The rows of a model's sample request and the answer that its library gave."""
    folder = MODELS / model
    request = json.loads((folder / "sample-request.json").read_text())
    rows = request.get("input_data", request.get("data"))
    return rows, json.loads((folder / "sample-response.json").read_text())
