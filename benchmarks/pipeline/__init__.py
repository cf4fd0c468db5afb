"""Our pipeline against the stock one: the same data, the same steps, the same model."""
