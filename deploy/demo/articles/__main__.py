"""`python -m deploy.demo.articles`: make the archive of the Demo Gazette and add the site to the platform."""

from rich.console import Console

from deploy.demo.articles import gazette

if __name__ == "__main__":
    gazette.provide(Console())
