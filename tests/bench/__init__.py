"""Speed, measured: `make bench` writes the table to bench/ and prints it. Trust the ratios; machines are noisy."""
