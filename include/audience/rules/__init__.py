"""Rule sets: their files, and which texts they match. The shipped rules lie in this folder, too."""
