LABEL = "label"
LABEL_COLUMNS = ("label",)
WIDTH = 6
