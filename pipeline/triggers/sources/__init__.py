"""What asks for a run: a schedule, data, age, a call."""
