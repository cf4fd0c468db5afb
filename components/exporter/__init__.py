"""Models for phones, embedded devices and browsers, each verified against the SavedModel it comes from."""
