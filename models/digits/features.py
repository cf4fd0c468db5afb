"""The image and the label."""

LABEL = "label"
"""Name of the label among the transformed features: the digit, 0 to 9."""

LABEL_COLUMNS = ("label",)
"""Raw columns that only the label may see; they are no inputs of the served model."""

IMAGE = "image"
SIDE = 8
BRIGHTEST = 16.0
CLASSES = 10
