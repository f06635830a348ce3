"""The least around an ONNX model that answers over HTTP: uvicorn, msgspec, one thread."""

import os

import msgspec
import numpy as np
import onnxruntime
import uvicorn
from starlette.types import Receive, Scope, Send


class Request(msgspec.Struct):
    features: list[float]


options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
read, write = msgspec.json.Decoder(Request).decode, msgspec.json.Encoder().encode


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = b""
    if scope["method"] == "POST":
        row = np.array([read((await receive())["body"]).features], dtype=np.float32)
        label, shares = session.run(None, {name: row})
        body = write({"prediction": int(label[0]), "probabilities": shares[0].tolist()})
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), loop="uvloop", http="httptools", lifespan="off",
            log_level="error", access_log=False)  # fmt: skip
