"""The search for hyperparameters, with KerasTuner, over the space that the model package declares."""
