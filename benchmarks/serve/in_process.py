"""The signature's ConcreteFunction called in a loop, batch 1: what serving is compared with."""

from __future__ import annotations

import json
import os
import sys
import time

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow as tf


def main() -> None:
    function = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
    image = np.random.default_rng(0).integers(0, 17, (1, 8, 8)).astype(np.float32)
    seconds = float(sys.argv[2])
    times = []
    for _ in range(200):
        function(image=tf.constant(image))["probabilities"].numpy()
    end = time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        function(image=tf.constant(image))["probabilities"].numpy()
        times.append(time.perf_counter() - start)
    times.sort()
    print(
        json.dumps(
            {
                "per_second": round(len(times) / sum(times), 1),
                "p50_ms": round(times[len(times) // 2] * 1e3, 3),
                "p99_ms": round(times[int(len(times) * 0.99)] * 1e3, 3),
            }
        )
    )


main()
