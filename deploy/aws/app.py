"""Entry point of `cdk`: builds the stack from the settings in `cdk.json` and on the command line (`-c image=…`)."""

import aws_cdk as cdk

from deploy.aws.settings import StackSettings
from deploy.aws.stack import QuartetStack


def main(app: cdk.App | None = None) -> None:
    """Write the template to where `cdk` expects it, or to the output folder of another *app*."""
    app = app or cdk.App()
    given = {name: app.node.try_get_context(name) for name in StackSettings.model_fields}
    settings = StackSettings.load(**{name: value for name, value in given.items() if value is not None})
    QuartetStack(app, "Quartet", settings)
    app.synth()


if __name__ == "__main__":
    main()
