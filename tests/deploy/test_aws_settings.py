"""The settings of the AWS stack: which values are rejected, and that the README lists all settings."""

import pytest

from deploy.aws import environment
from deploy.aws.settings import COMPONENTS, SIZES, StackSettings
from include.core.errors import SettingsError
from include.core.settings import ROOT

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/quartet:0.1.0"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image": IMAGE.replace("0.1.0", "latest")}, "latest"),
        ({"image": "quartet:0.1.0"}, "image: .* registry of ECR"),
        ({"started": None}, "started: Field required"),
        ({"certificate_arn": "arn"}, "certificate_arn needs domain"),
        ({"hosted_zone_id": "Z1"}, "belong together"),
        ({"max_workers": 0}, "max_workers"),
        ({"min_workers": 5}, "max_workers is below min_workers"),
        ({"sizes": '{"webserver": [512, 1024]}'}, "webserver"),
        ({"nodes": 3}, "nodes"),
    ],
)
def test_a_setting_that_is_not_allowed_is_named(wrong, message):
    context = {"image": IMAGE, "started": "true"} | wrong
    with pytest.raises(SettingsError, match=message):
        StackSettings.load(**{name: value for name, value in context.items() if value is not None})


def test_the_stacks_own_settings_cannot_be_overridden():
    settings = StackSettings.load(image=IMAGE, started=True, environment={"QUARTET_STORAGE": "s3://other"})
    with pytest.raises(SettingsError, match="QUARTET_STORAGE is set by the stack"):
        environment.airflow(
            settings, region="r", address="https://a", cidr="10.0.0.0/8", storage="s3://b", log_group="l", mariadb="m"
        )


def test_the_readme_names_every_setting():
    readme = (ROOT / "deploy/aws/README.md").read_text()
    assert [name for name in StackSettings.model_fields if f"| `{name}` |" not in readme] == []
    assert SIZES.keys() == {*COMPONENTS, "mlflow", "init"}
