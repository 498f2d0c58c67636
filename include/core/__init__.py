"""What two or more workflows share."""
