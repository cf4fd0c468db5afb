"""StatisticsGen, with what TFDV does for each column made faster."""
