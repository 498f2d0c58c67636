"""Song plays: each day's long plays with their listeners for the labels, and counts by zip code and subscription."""
