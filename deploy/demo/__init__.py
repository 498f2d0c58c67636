"""The demo: the main job of every workflow, through the public HTTP APIs only, with every result checked."""
