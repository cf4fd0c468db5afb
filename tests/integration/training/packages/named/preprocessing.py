def preprocessing_fn(inputs):
    return {"x": inputs["x"], "species": inputs["species"]}
