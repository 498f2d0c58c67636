"""Steps of a workflow before the platform starts: `deploy.production.prepare.<name>.STEPS`, title → step."""
