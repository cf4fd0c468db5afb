"""The image, the label, and how many rows there are."""

LABEL = "label"
LABEL_COLUMNS = ("label",)
SIDE = 16
ROWS, HELD_OUT = 6144, 256
