"""Code shared by several workflows; it knows none of them."""
