"""What a team would write by hand: FastAPI, pydantic, scikit-learn, uvicorn."""

import os

import joblib
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

model = joblib.load(os.environ["MODEL"])
app = FastAPI()


class Request(BaseModel):
    features: list[float]


class Answer(BaseModel):
    prediction: int
    probabilities: list[float]


@app.post("/predict")
async def predict(request: Request) -> Answer:
    shares = model.predict_proba(np.array([request.features]))[0]
    return Answer(prediction=int(shares.argmax()), probabilities=shares.tolist())


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), loop="uvloop", http="httptools",
            log_level="error", access_log=False)  # fmt: skip
