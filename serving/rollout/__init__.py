"""A version gets the traffic step by step; between the steps gates decide, and a bad version is rolled back."""
