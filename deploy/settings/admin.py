"""Settings of the initial administrator in production."""

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from include.core.settings import Settings


class AdminSettings(Settings):
    """The initial administrator in production."""

    model_config = SettingsConfigDict(env_prefix="QUARTET_ADMIN_")

    user: str = Field(default="admin", description="user name of the administrator in production")
    password: SecretStr = Field(
        default=SecretStr(""), description="password of the administrator, at least 12 characters and hard to guess"
    )
    email: str = Field(default="", description="email address of the administrator; if empty, <user>@localhost")
