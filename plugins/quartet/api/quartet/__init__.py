"""The API of the platform itself: what concerns all workflows."""
