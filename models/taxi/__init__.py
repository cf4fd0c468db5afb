"""Will the passenger tip more than 20 % of the fare? Chicago taxi trips."""
