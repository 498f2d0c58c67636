"""Days of song plays whose outputs are known, and the jobs that write them."""
