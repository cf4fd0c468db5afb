import tensorflow as tf


def preprocessing_fn(inputs):
    return {"x": tf.cast(inputs["x"], tf.float32), "id": inputs["id"], "label": inputs["label"]}
