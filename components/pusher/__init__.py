"""The last step: a blessed model becomes a version, complete when it becomes visible."""
