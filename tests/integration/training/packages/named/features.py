LABEL = "species"
LABEL_COLUMNS = ("species",)
WEIGHT = "w"
