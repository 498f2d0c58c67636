"""Settings of the administrator that production starts with."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from include.core.settings import Settings


class AdminSettings(Settings):
    """The administrator that production starts with."""

    model_config = SettingsConfigDict(env_prefix="QUARTET_ADMIN_")

    user: str = Field(default="admin", description="user name of the administrator in production")
    password: SecretStr = Field(
        default=SecretStr(""), description="the administrator's password, at least 12 characters that nobody can guess"
    )
    email: str = Field(default="", description="the administrator's address; empty: <user>@localhost")
