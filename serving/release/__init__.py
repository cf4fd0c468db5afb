"""Which version of a model gets which traffic: the state in one file, verbs that change it, targets that follow."""
