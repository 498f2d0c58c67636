"""What tells people that something went wrong: a failed run, a missed deadline."""
