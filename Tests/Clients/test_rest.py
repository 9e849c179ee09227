"""TensorFlow Serving's, KServe's and Azure's REST as their users call them: with requests."""

import base64
import gzip
import json
import unittest
import zlib

import requests

from gateway import URL, bearer, sample


def rows_of(model):
    rows, expected = sample(model)
    return (rows["data"] if isinstance(rows, dict) else rows), expected


def predict(endpoint, body, rest=":predict"):
    return requests.post(
        f"{URL}/v1/models/{endpoint}{rest}", json=body, headers=bearer(endpoint), timeout=20)


class TensorFlowServing(unittest.TestCase):
    def test_rows_and_columns(self):
        rows, expected = rows_of("breast-cancer/1")
        blue = "/versions/blue:predict"
        self.assertEqual(
            predict("breast-cancer", {"instances": rows}, blue).json(), {"predictions": expected})
        self.assertEqual(
            predict("breast-cancer", {"inputs": rows}, blue).json(), {"outputs": expected})
        self.assertEqual(
            predict("breast-cancer", {"inputs": {"X": rows}, "signature_name": "serving_default"},
                    "/labels/blue:predict").json(), {"outputs": expected})
        self.assertEqual(
            predict("breast-cancer", {"instances": [{"X": row} for row in rows]}, blue).json(),
            {"predictions": expected})

    def test_many_inputs_and_bytes(self):
        row = {"in_BYTES": [{"b64": base64.b64encode(b"\x00\xff").decode()}, "text"]}
        for kind in ("FP32", "FP64", "FP16"):
            row["in_" + kind] = [1.5, -2.0]
        for kind in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32"):
            row["in_" + kind] = [1, 2]
        row["in_UINT64"] = [2 ** 64 - 1, 0]
        row["in_BOOL"] = [True, False]
        answer = predict("identity", {"instances": [row]})
        # BF16 does not travel as JSON, and this model wants it.
        self.assertEqual(answer.status_code, 400)
        self.assertIn("in_BF16", answer.json()["error"])

    def test_no_rows_get_an_empty_answer(self):
        for model in ["breast-cancer", "diabetes", "digits", "iris"]:
            answer = predict(model, {"instances": []})
            self.assertEqual((answer.status_code, answer.json()), (200, {"predictions": []}))

    def test_status_and_metadata(self):
        answer = requests.get(
            URL + "/v1/models/breast-cancer", headers=bearer("breast-cancer"), timeout=20).json()
        self.assertTrue(answer["ready"])
        self.assertEqual(
            [(v["version"], v["state"]) for v in answer["model_version_status"]],
            [("blue", "AVAILABLE"), ("green", "AVAILABLE")])
        answer = requests.get(
            URL + "/v1/models/breast-cancer/versions/blue/metadata",
            headers=bearer("breast-cancer"), timeout=20).json()
        signature = answer["metadata"]["signature_def"]["signature_def"]["serving_default"]
        self.assertEqual(signature["inputs"]["X"]["dtype"], "DT_FLOAT")
        answer = requests.get(URL + "/v1/models", headers=bearer("iris"), timeout=20).json()
        self.assertIn("iris", answer["models"])

    def test_errors(self):
        cases = [
            ("breast-cancer", {}, ":predict", 400, "Missing 'inputs' or 'instances' key"),
            ("breast-cancer", {"instances": [[1, 2]]}, ":predict", 400, "expected 30"),
            ("breast-cancer", {"instances": [], "signature_name": "x"}, ":predict", 400,
             'Serving signature name: "x" not found'),
            ("breast-cancer", {"instances": []}, "/versions/9:predict", 404,
             "Servable not found for request: Specific(breast-cancer, 9)"),
            ("breast-cancer", {}, ":classify", 501, "not served"),
        ]
        for endpoint, body, rest, status, sentence in cases:
            answer = predict(endpoint, body, rest)
            self.assertEqual(answer.status_code, status, answer.text)
            self.assertIn(sentence, answer.json()["error"])
        answer = requests.post(URL + "/v1/models/half:predict", json={}, timeout=20)
        self.assertEqual(answer.status_code, 404)
        self.assertEqual(
            answer.json()["error"], "Servable not found for request: Latest(half)")


class Azure(unittest.TestCase):
    def score(self, body, **headers):
        return requests.post(
            URL + "/endpoints/breast-cancer/score", data=body, timeout=20,
            headers={**bearer("breast-cancer"), "azureml-model-deployment": "blue",
                     "Content-Type": "application/json", **headers})

    def test_compressed_bodies(self):
        rows, expected = rows_of("breast-cancer/1")
        body = json.dumps({"input_data": rows}).encode()
        self.assertEqual(self.score(body).json(), expected)
        self.assertEqual(
            self.score(gzip.compress(body), **{"Content-Encoding": "gzip"}).json(), expected)
        self.assertEqual(
            self.score(zlib.compress(body), **{"Content-Encoding": "deflate"}).json(), expected)
        self.assertEqual(
            self.score(body, **{"Content-Encoding": "br"}).status_code, 415)
        self.assertEqual(
            self.score(body, **{"Content-Encoding": "gzip"}).status_code, 400)
        # What packs a thousandfold is no attack as long as it is not much.
        self.assertEqual(
            self.score(gzip.compress(body + b" " * (2 << 20)),
                       **{"Content-Encoding": "gzip"}).json(), expected)
        bomb = gzip.compress(bytes(32 << 20))
        self.assertEqual(
            self.score(bomb, **{"Content-Encoding": "gzip"}).status_code, 413)

    def test_chunked_bodies(self):
        rows, expected = rows_of("breast-cancer/1")
        body = json.dumps({"input_data": rows}).encode()
        pieces = (body[i:i + 100] for i in range(0, len(body), 100))
        self.assertEqual(self.score(pieces).json(), expected)

    def test_headers(self):
        rows, _ = rows_of("breast-cancer/1")
        answer = self.score(
            json.dumps({"data": rows}), **{"x-ms-client-request-id": "a b/c-" + "x" * 60})
        self.assertEqual(answer.headers["x-ms-client-request-id"], ("abc-" + "x" * 60)[:40])
        self.assertEqual(answer.headers["azureml-model-deployment"], "blue")
        self.assertEqual(len(answer.headers["x-request-id"]), 36)


if __name__ == "__main__":
    unittest.main()
