"""The usual hand-made server: FastAPI on uvicorn, the model called per request."""

from __future__ import annotations

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import fastapi
import numpy as np
import pydantic
import tensorflow as tf
import uvicorn

function = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
app = fastapi.FastAPI()


class Body(pydantic.BaseModel):
    instances: list[list[list[float]]]


@app.post("/predict")
def predict(body: Body) -> dict[str, list[list[float]]]:
    result = function(image=tf.constant(np.array(body.instances, dtype=np.float32)))
    return {"predictions": result["probabilities"].numpy().tolist()}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
