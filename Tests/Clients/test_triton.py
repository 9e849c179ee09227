"""tritonclient, sync and aio, against /v2."""

import asyncio
import unittest

import ml_dtypes
import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

from gateway import ADDRESS, ADMIN_KEY, bearer, sample

def cancer():
    """Made anew for each call: the client adds its own headers to what it is given."""
    return bearer("breast-cancer")


def rows_of(model):
    rows, answer = sample(model)
    rows = rows["data"] if isinstance(rows, dict) else rows
    return np.array(rows, dtype=np.float32), answer


def tensor(name, values, datatype="FP32", binary=True):
    made = triton.InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


class Client(unittest.TestCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(ADDRESS, concurrency=1)
        self.addCleanup(self.client.close)

    def cancer(self, rows, **options):
        return self.client.infer("breast-cancer", [tensor("X", rows)], headers=cancer(), **options)


class Describing(Client):
    def test_health_and_metadata(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready("breast-cancer", headers=cancer()))
        self.assertTrue(self.client.is_model_ready("breast-cancer", "blue", headers=cancer()))
        self.assertFalse(self.client.is_model_ready("breast-cancer", "9", headers=cancer()))
        self.assertFalse(self.client.is_model_ready("nobody", headers=cancer()))
        server = self.client.get_server_metadata()
        self.assertEqual(server["name"], "triton")
        self.assertIn("binary_tensor_data", server["extensions"])
        model = self.client.get_model_metadata("breast-cancer", headers=cancer())
        self.assertEqual(model["versions"], ["blue", "green"])
        self.assertEqual(model["inputs"], [{"name": "X", "datatype": "FP32", "shape": [-1, 30]}])
        config = self.client.get_model_config("breast-cancer", headers=cancer())
        self.assertEqual(config["input"][0]["data_type"], "TYPE_FP32")
        self.assertEqual(config["input"][0]["dims"], [30])
        self.assertGreater(config["max_batch_size"], 1)

    def test_the_index_holds_only_what_the_key_may_score(self):
        index = self.client.get_model_repository_index(headers=cancer())
        self.assertEqual(
            [(m["name"], m["version"], m["state"]) for m in index if m["name"] != "open"],
            [("breast-cancer", "blue", "READY"), ("breast-cancer", "green", "READY")])
        # An endpoint that wants no key is everybody's.
        index = self.client.get_model_repository_index(headers={"Authorization": "Bearer none"})
        self.assertEqual({m["name"] for m in index}, {"open"})

    def test_health_keeps_the_connection(self):
        opened = []
        pool = self.client._client_stub._connection_pool
        create = pool._create_tcp_socket
        pool._create_tcp_socket = lambda *a: opened.append(1) or create(*a)
        for _ in range(10):
            self.client.is_server_live()
            self.client.is_server_ready()
            self.client.is_model_ready("breast-cancer", headers=cancer())
        self.assertLessEqual(len(opened), 1)

    def test_statistics_count(self):
        def stats():
            answer = self.client.get_inference_statistics("diabetes", headers=bearer("diabetes"))
            return answer["model_stats"][0]
        before = stats()
        rows, _ = rows_of("diabetes/1")
        rows = np.tile(rows[:1], (3, 1))
        for _ in range(4):
            self.client.infer(
                "diabetes", [tensor("X", rows.astype(np.float64), "FP64")], headers=bearer("diabetes"))
        after = stats()
        # The count follows the answer's last byte.
        self.assertIn(after["inference_count"] - before["inference_count"], (9, 12))
        self.assertIn(after["execution_count"] - before["execution_count"], (3, 4))
        keys = {"success", "fail", "queue", "compute_input", "compute_infer", "compute_output",
                "cache_hit", "cache_miss"}
        self.assertEqual(set(after["inference_stats"]), keys)
        self.assertIn(3, [batch["batch_size"] for batch in after["batch_stats"]])
        self.assertGreater(after["last_inference"], 1_500_000_000_000)
        memory = after["memory_usage"]
        self.assertEqual([(m["type"], m["id"]) for m in memory], [("CPU", 0)])
        self.assertGreater(memory[0]["byte_size"], 1000)
        every = self.client.get_inference_statistics(headers=cancer())["model_stats"]
        self.assertEqual({m["name"] for m in every}, {"breast-cancer", "open"})


class Inferring(Client):
    def test_json_binary_and_compressed_give_the_same_bits(self):
        rows, _ = rows_of("breast-cancer/1")
        rows = np.tile(rows, (40, 1))
        answers = []
        for binary_in in (False, True):
            for binary_out in (False, True):
                for coding in (None, "gzip", "deflate"):
                    result = self.client.infer(
                        "breast-cancer", [tensor("X", rows, binary=binary_in)], "blue",
                        outputs=[triton.InferRequestedOutput("predict", binary_data=binary_out)],
                        request_id="42", headers=cancer(), request_compression_algorithm=coding,
                        response_compression_algorithm=coding)
                    self.assertEqual(result.get_response()["id"], "42")
                    self.assertEqual(result.get_response()["model_version"], "blue")
                    answers.append(result.as_numpy("predict"))
        _, expected = rows_of("breast-cancer/1")
        want = np.tile(np.array(expected, dtype=np.float32), 40)
        for answer in answers:
            self.assertEqual(answer.tobytes(), want.tobytes())

    def test_without_outputs_the_answer_is_binary(self):
        rows, _ = rows_of("breast-cancer/1")
        result = self.cancer(rows)
        self.assertIn("parameters", result.get_output("predict"))
        self.assertEqual(result.as_numpy("predict").shape, (len(rows),))

    def test_classification(self):
        rows, _ = rows_of("digits/1")
        name = self.client.get_model_metadata("digits", headers=bearer("digits"))
        output = next(o["name"] for o in name["outputs"] if len(o["shape"]) == 2)
        given = name["inputs"][0]
        rows = rows.reshape([len(rows)] + given["shape"][1:])
        scores = self.client.infer(
            "digits", [tensor(given["name"], rows)], headers=bearer("digits")).as_numpy(output)
        result = self.client.infer(
            "digits", [tensor(given["name"], rows)], headers=bearer("digits"),
            outputs=[triton.InferRequestedOutput(output, class_count=3)])
        best = result.as_numpy(output)
        self.assertEqual(best.shape, (len(rows), 3))
        for row, line in enumerate(best):
            value, index = line[0].decode().split(":")
            self.assertEqual(int(index), int(np.argmax(scores[row])))
            self.assertAlmostEqual(float(value), float(scores[row].max()), places=5)

    def test_every_type_comes_back(self):
        whole = {
            "BOOL": np.array([[True, False]]), "FP16": np.array([[1.5, -0.0]], np.float16),
            "FP32": np.array([[np.nan, np.inf]], np.float32),
            "FP64": np.array([[5e-324, -np.inf]]),
            "BYTES": np.array([[b"a\x00b", "grün".encode()]], dtype=object),
        }
        for bits in (8, 16, 32, 64):
            for kind, name in ((np.iinfo(f"int{bits}"), f"INT{bits}"),
                               (np.iinfo(f"uint{bits}"), f"UINT{bits}")):
                whole[name] = np.array([[kind.min, kind.max]], dtype=kind.dtype)
        inputs = [tensor("in_" + name, values, name) for name, values in whole.items()]
        half = triton.InferInput("in_BF16", [1, 2], "BF16")
        half.set_data_from_numpy(np.array([[1.5, -2.0]], ml_dtypes.bfloat16))
        result = self.client.infer("identity", inputs + [half], headers=bearer("identity"))
        for name, values in whole.items():
            got = result.as_numpy("out_" + name)
            if name == "BYTES":
                self.assertEqual(got.tolist(), values.tolist())
            else:
                self.assertEqual(got.tobytes(), values.tobytes(), name)
        self.assertEqual(result.as_numpy("out_BF16").tolist(), [[1.5, -2.0]])
        # The same through JSON, where the protocol's clients allow it.
        inputs = [
            tensor("in_" + name, values, name, binary=name in ("FP16", "BYTES"))
            for name, values in whole.items()]
        result = self.client.infer(
            "identity", inputs + [half], headers=bearer("identity"),
            outputs=[triton.InferRequestedOutput("out_" + name, binary_data=False)
                     for name in whole if name not in ("FP16", "BYTES")])
        for name, values in whole.items():
            if name in ("FP16", "BYTES"):
                continue
            got = result.as_numpy("out_" + name)
            if name == "FP32":
                self.assertTrue(np.isnan(got[0][0]) and got[0][1] == np.inf)
            else:
                self.assertEqual(got.tolist(), values.tolist(), name)

    def test_no_rows(self):
        result = self.cancer(np.zeros((0, 30), np.float32))
        self.assertEqual(result.as_numpy("predict").shape, (0,))

    def test_raw_bytes(self):
        rows, _ = rows_of("breast-cancer/1")
        status = self.client._post(
            "v2/models/breast-cancer/versions/blue/infer", rows[:1].tobytes(),
            {**cancer(), "Inference-Header-Content-Length": "0"}, None)
        self.assertEqual(status.status_code, 200)
        size = int(status.get("Inference-Header-Content-Length"))
        body = status.read()
        want = self.client.infer(
            "breast-cancer", [tensor("X", rows[:1])], "blue", headers=cancer()).as_numpy("predict")
        self.assertEqual(body[size:], want.tobytes())


class Refusing(Client):
    def refused(self, pattern, *inputs, model="breast-cancer", version="", **options):
        with self.assertRaisesRegex(InferenceServerException, pattern):
            self.client.infer(model, list(inputs), version, headers=cancer(), **options)

    def test_sentences(self):
        rows = np.zeros((1, 30), np.float32)
        good = tensor("X", rows)
        self.refused("Request for unknown model: 'foo' is not found", good, model="foo")
        self.refused("version 99 is not found", good, version="99")
        self.refused(
            r"inference input data-type is 'FP64', model expects 'FP32' for 'breast-cancer'",
            tensor("X", rows.astype(np.float64), "FP64"))
        self.refused(
            r"unexpected shape for input 'X' for model 'breast-cancer'. Expected \[-1,30\], "
            r"got \[1,29\]", tensor("X", rows[:, :29]))
        self.refused("unexpected inference input 'Y' for model", tensor("Y", rows))
        self.refused(
            "unexpected inference output 'none' for model", good,
            outputs=[triton.InferRequestedOutput("none")])
        self.refused("already exists in request", good, outputs=[
            triton.InferRequestedOutput("predict"), triton.InferRequestedOutput("predict")])
        self.refused("expected 1 inputs but got 0 inputs")

    def test_a_wrong_key(self):
        with self.assertRaisesRegex(InferenceServerException, "key"):
            self.client.infer(
                "breast-cancer", [tensor("X", np.zeros((1, 30), np.float32))],
                headers={"Authorization": "Bearer swk_wrong"})


class Controlling(Client):
    def test_unload_and_load(self):
        admin = {"Authorization": "Bearer " + ADMIN_KEY}
        own = bearer("iris")
        with self.assertRaisesRegex(InferenceServerException, "admin key"):
            self.client.unload_model("iris", headers=own)
        self.client.unload_model("iris", headers=admin)
        self.assertFalse(self.client.is_model_ready("iris", headers=own))
        self.assertEqual(
            [m["state"] for m in self.client.get_model_repository_index(headers=own)
             if m["name"] == "iris"], ["UNAVAILABLE"])
        self.client.load_model("iris", headers=admin)
        self.assertTrue(self.client.is_model_ready("iris", headers=own))
        # Loading what is loaded loads it again.
        self.client.load_model("iris", headers=admin)
        with self.assertRaisesRegex(InferenceServerException, "failed to load 'nobody'"):
            self.client.load_model("nobody", headers=admin)


class Asynchronous(unittest.TestCase):
    def test_aio(self):
        async def run():
            rows, expected = rows_of("breast-cancer/1")
            rows = np.tile(rows, (20, 1))
            async with triton_aio.InferenceServerClient(ADDRESS) as client:
                self.assertTrue(await client.is_server_live())
                self.assertTrue(await client.is_model_ready("breast-cancer", headers=cancer()))
                given = triton_aio.InferInput("X", list(rows.shape), "FP32")
                given.set_data_from_numpy(rows)
                answers = await asyncio.gather(*[
                    client.infer(
                        "breast-cancer", [given], "blue", headers=cancer(),
                        request_compression_algorithm=coding,
                        response_compression_algorithm=coding)
                    for coding in (None, "gzip", "deflate") for _ in range(5)])
                want = np.tile(np.array(expected, np.float32), 20).tobytes()
                for answer in answers:
                    self.assertEqual(answer.as_numpy("predict").tobytes(), want)
        asyncio.run(run())


if __name__ == "__main__":
    unittest.main()
