"""MLServer's runtimes: iris with ONNX Runtime, the 500 trees with LightGBM itself."""

import os
import pathlib

import lightgbm
import onnxruntime
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse

FOLDER = pathlib.Path(os.environ["PEER_MODELS"])


class PeerModel(MLModel):
    async def predict(self, payload):
        rows = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        output = NumpyCodec.encode_output("probabilities", self.score(rows))
        return InferenceResponse(model_name=self.name, outputs=[output])


class Iris(PeerModel):
    async def load(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            FOLDER / "iris.onnx", options, providers=["CPUExecutionProvider"]
        )
        self.source = self.session.get_inputs()[0].name
        return True

    def score(self, rows):
        return self.session.run(["probabilities"], {self.source: rows})[0]


class Forest(PeerModel):
    async def load(self):
        self.booster = lightgbm.Booster(model_file=FOLDER / "forest.txt")
        return True

    def score(self, rows):
        return self.booster.predict(rows, num_threads=1)
