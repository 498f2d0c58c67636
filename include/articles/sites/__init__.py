"""The sites: what is configured of each (`configuration`), and how each kind describes its articles (`adapters`)."""
