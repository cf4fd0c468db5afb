"""The label, and the columns that are read."""

LABEL = "label"
LABEL_COLUMNS = ("label",)
COLUMNS, ROWS = 3000, 80
READ = ("c0", "c1")
