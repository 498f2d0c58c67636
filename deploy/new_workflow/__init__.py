"""`make workflow NAME=…`: the skeleton of a new workflow, in the shape of the others."""
