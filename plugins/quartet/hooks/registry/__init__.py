"""The registry of models: MLflow, a version for each training, the alias `champion` on the one that is used."""

from quartet.hooks.registry.hook import RegistryHook

__all__ = ["RegistryHook"]
