"""Which digit is it? scikit-learn's handwritten digits, 8×8 pixels."""
