"""A CloudFormation template, for the tests of the AWS stack."""

from collections.abc import Iterator
from typing import Any


class Template:
    """A template, with frequent lookups as methods."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content, self.resources = content, content["Resources"]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the resources of a type, by name."""
        return {name: each for name, each in self.resources.items() if each["Type"] == f"AWS::{kind}"}

    def only(self, kind: str) -> dict[str, Any]:
        """Return the only resource of a type."""
        (found,) = self.of(kind).values()
        return found

    def text(self, value: Any) -> str:
        """Write a value as CloudFormation would; a reference becomes `<name>`."""
        match value:
            case {"Fn::Join": [separator, parts]}:
                return separator.join(self.text(part) for part in parts)
            case {"Ref": name}:
                return f"<{name}>"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"<{name}.{attribute}>"
        assert isinstance(value, str), value
        return value

    def containers(self) -> dict[str, dict[str, Any]]:
        """Return the definitions of all containers, by name."""
        tasks = self.of("ECS::TaskDefinition").values()
        return {each["Name"]: each for task in tasks for each in task["Properties"]["ContainerDefinitions"]}

    def environment(self, container: str) -> dict[str, str]:
        """Return the variables of a container that are not secret."""
        return {each["Name"]: self.text(each["Value"]) for each in self.containers()[container].get("Environment", [])}

    def secrets(self, container: str) -> dict[str, str]:
        """Return variable → secret of a container."""
        return {each["Name"]: self.text(each["ValueFrom"]) for each in self.containers()[container].get("Secrets", [])}

    def group(self, reference: Any) -> str:
        """Return the component that a security group belongs to."""
        name = reference["Fn::GetAtt"][0]
        return self.resources[name]["Properties"]["GroupDescription"].removeprefix("Quartet: ")

    def statements(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """Yield role, actions and resources of every policy statement."""
        for policy in self.of("IAM::Policy").values():
            (role,) = [self.text(each) for each in policy["Properties"]["Roles"]]
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                assert statement["Effect"] == "Allow"
                yield role, *(as_list(statement[each]) for each in ("Action", "Resource"))

    def permissions(self, component: str) -> dict[str, set[str]]:
        """Return action → resources that a component's own processes may use."""
        found: dict[str, set[str]] = {}
        for role, actions, resources in self.statements():
            if role.startswith(f"<Task{component.replace('-', '')}TaskRole"):
                for action in actions:
                    found.setdefault(action, set()).update(self.text(each) for each in resources)
        return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
