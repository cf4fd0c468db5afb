"""What the strategies cost, how workers scale, and how fast a cluster gets over a failure."""
