"""Models for phones, embedded devices and browsers, each proved against the SavedModel it comes from."""
