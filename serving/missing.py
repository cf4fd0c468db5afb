"""What stands for a missing value in a request to `serving_default`, whose tensors cannot have gaps."""

from __future__ import annotations

import math

MISSING_NUMBER = math.nan
MISSING_INT = -(2**63)
MISSING_STRING = ""
