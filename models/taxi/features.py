"""Columns of the Chicago taxi trips by kind, and the label."""

LABEL = "big_tip"
"""Name of the label among the transformed features: 1 where the tip is over 20 % of the fare."""

LABEL_COLUMNS = ("tips",)
"""Raw columns that only the label may see; they are no inputs of the served model."""

TIP_SHARE = 0.2

NUMERIC = ("fare", "trip_miles", "trip_seconds")
"""Standardised to mean 0 and variance 1; a missing value becomes the mean."""

BUCKETS = {"pickup_latitude": 10, "pickup_longitude": 10, "dropoff_latitude": 10, "dropoff_longitude": 10}
"""Cut at the quantiles into this many buckets; one more stands for a missing value."""

VOCABULARIES = {"payment_type": 20, "company": 200}
"""Texts, kept up to this many; others share the out-of-vocabulary index."""

CATEGORIES = {
    "trip_start_hour": 24,
    "trip_start_day": 8,
    "trip_start_month": 13,
    "pickup_community_area": 78,
    "dropoff_community_area": 78,
}
"""Small whole numbers from 0 up to this size (exclusive); one more index stands for a missing value."""

SIZES = (
    {name: size + 1 for name, size in BUCKETS.items()}
    | {name: size + 1 for name, size in VOCABULARIES.items()}
    | {name: size + 1 for name, size in CATEGORIES.items()}
)
"""Number of indices of each categorical transformed feature."""
