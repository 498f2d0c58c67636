"""What a workflow needs before the platform starts: `deploy.production.prepare.<name>.STEPS`, title → step."""
