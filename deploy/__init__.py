"""What runs Quartet: on one machine (`embedded`) and beyond it."""
