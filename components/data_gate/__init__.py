"""The gate that stops a run on anomalies of the data; TFX's own validator only records them."""
