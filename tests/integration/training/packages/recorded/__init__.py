"""A small network whose training step notes which rows it sees, and can be slowed down."""
