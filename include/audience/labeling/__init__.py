"""From posts to labelled rows: labels, votes, author counts, coverage of the rules. No database, no storage."""
