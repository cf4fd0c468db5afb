"""What the loop from traffic back to the release takes, measured with the program itself."""
