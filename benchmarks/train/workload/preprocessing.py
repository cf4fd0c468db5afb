"""Nothing to prepare: the raw rows are the features."""


def preprocessing_fn(inputs):
    return {"image": inputs["image"], "label": inputs["label"]}
