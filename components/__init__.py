"""What runs inside a pipeline step, on a worker, in the image. Pure functions first, thin TFX wrappers last."""
