"""A client of Airflow's app in this process."""

from fastapi.testclient import TestClient


class Client(TestClient):
    """A test client that can come as one of several users."""

    def __init__(self, app, passwords: dict[str, str], base_url: str = "http://localhost:8080") -> None:
        super().__init__(app, base_url=base_url, raise_server_exceptions=False)
        self.passwords = passwords

    def token(self, user: str) -> str:
        """Log a user in."""
        answer = self.post("/auth/token", json={"username": user, "password": self.passwords[user]})
        return answer.raise_for_status().json()["access_token"]

    def as_user(self, user: str) -> dict[str, str]:
        """Return the headers of a user's requests."""
        return {"Authorization": f"Bearer {self.token(user)}"}
