"""Panels: one folder for each stage, one module for each panel. `load` takes every module that has a PANEL."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from anatomy.control import Control
from anatomy.stages import STAGES
from panels.panel import Panel


@cache
def load() -> dict[str, Panel]:
    """Every panel by id, in the order of the stages and, within a stage, of `Panel.order`."""
    rooms = [import_module(f"{__name__}.{stage}") for stage in STAGES]
    modules = [
        import_module(f"{room.__name__}.{module.name}") for room in rooms for module in iter_modules(room.__path__)
    ]
    panels = [module.PANEL for module in modules if hasattr(module, "PANEL")]
    panels.sort(key=lambda panel: (STAGES[panel.stage].number, panel.order))
    return {panel.id: panel for panel in panels}


def controls() -> tuple[Control, ...]:
    """Every control of every panel, each once (panels share some)."""
    return tuple(dict.fromkeys(control for panel in load().values() for control in panel.controls))


def of_stage(stage: str) -> tuple[Panel, ...]:
    """The panels of one stage (a key of `anatomy.stages.STAGES`) that stand side by side, in order."""
    return tuple(panel for panel in load().values() if panel.stage == stage and not panel.whole)
