"""A contract of import-linter: code of a workflow imports no other workflow."""

from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class OwnWorkflowContract(Contract):
    """
    Modules named after a workflow import only that workflow's package of the domain.

    Each of `adapters` has a module or package per workflow, such as `quartet.api.songs`, and `domain` a package of the
    same name. Other packages of the domain may be imported only if they are `shared`.
    """

    adapters = fields.ListField(subfield=fields.StringField())
    domain = fields.StringField()
    shared = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Check that no adapter of a workflow imports another workflow, and collect the imports that do."""
        shared: list[str] = self.shared  # type: ignore[assignment]
        workflows = {each for each in graph.find_children(str(self.domain)) if each.rpartition(".")[2] not in shared}
        broken = []
        for adapter in self.adapters:  # type: ignore[attr-defined]
            for own in workflows:
                module = f"{adapter}.{own.rpartition('.')[2]}"
                if module not in graph.modules:
                    continue
                for importer in {module} | graph.find_descendants(module):
                    for imported in graph.find_modules_directly_imported_by(importer):
                        if any(imported == other or imported.startswith(f"{other}.") for other in workflows - {own}):
                            broken.append(f"{importer} -> {imported}")
        return ContractCheck(kept=not broken, metadata={"broken": sorted(broken)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Write the imports that are not allowed."""
        found: list[Any] = check.metadata["broken"]
        for each in found:
            output.print_error(each)
