"""The program of a figure of a run in which something is changed: what plain transformers have no words for."""

from collections.abc import Iterable

from anatomy.control import Control
from anatomy.request import Intervention, Run
from anatomy.spec import ModelSpec
from anatomy.variants import written
from anatomy.view import Fitted
from panels.common.snippet import FOLDER

OPENED = f'model = stagelight.open("{FOLDER}'
"""How these programs open the model; behind it stands what is altered in it."""
_PLACES = ("layer", "head", "neuron", "pos", "src")
_PARTS = ("layer", "other", "head", "kv", "neuron", "pos")


def program(panel: str, spec: ModelSpec, view: Fitted, controls: Iterable[Control]) -> str:
    """A program that makes a panel's answer through `stagelight`, and leaves it in `answer`.

    panel     its id
    spec      of the model, which may be a variant of another
    view      what is chosen, in that run
    controls  the panel's own, as they are for this model and text
    """
    run = view.run(spec)
    changes = "".join(f"run = run{_change(one)}\n" for one in spec.beyond(run))
    return f"""import stagelight  # in its folder, or where it is installed
{_given(spec)}
{OPENED}{written("", spec.alterations)}")
run = {_run(Run(run.model, run.text, tail=run.tail, ids=run.ids))}
{changes}
answer = run.panel({", ".join([f'"{panel}"', *_choices(view, controls)])})
print(answer.caption)
print(answer.table)  # the figure is answer.figure
"""


def _given(spec: ModelSpec) -> str:
    """What a variant needs besides the checkpoint: adapters have names that whoever starts a program gives them."""
    names = [one.value for one in spec.alterations if one.kind == "lora" and "/" not in one.value]
    return "".join(f"# start it with STAGELIGHT_ADAPTERS={name}=FOLDER, the folder of that adapter\n" for name in names)


def _run(run: Run) -> str:
    """An expression for a run, with what is changed in it."""
    given = _ids(run) if run.ids or run.tail else repr(run.text)
    return f"model({given}){''.join(_change(one) for one in run.interventions)}"


def _ids(run: Run) -> str:
    """The ids of all tokens: what was generated joins by its ids, as text it might come out in others."""
    if run.ids:
        return f"ids={[*run.ids, *run.tail]}"
    return f"ids=[*(token.id for token in model({run.text!r}).tokens), {', '.join(map(str, run.tail))}]"


def _change(made: Intervention) -> str:
    """The call that makes a change."""
    said = {name: getattr(made, name) for name in _PARTS if getattr(made, name) is not None}
    if made.op in ("scale", "add", "noise", "dropout"):
        said["amount"] = made.amount
    if made.seed:
        said["seed"] = made.seed
    if made.random is not None:
        said["random"] = made.random
    if made.token is not None:
        said["towards"] = made.token
    named = [f"{name}={value!r}" for name, value in said.items()]
    what = [f'"{made.site}"', f'"{made.op}"']
    return f".change({', '.join([*what, *named, *_sources(made)])})"


def _sources(made: Intervention) -> list[str]:
    runs = [_run(source) for source in made.sources]
    if not runs:
        return []
    name = {"patch": "source", "add": "towards"}.get(made.op)
    return [f"texts=[{', '.join(runs)}]"] if name is None else [f"{name}={runs[0]}"]


def _choices(view: Fitted, controls: Iterable[Control]) -> list[str]:
    """The places and the settings of the panel's own controls, as `stagelight.Run.panel` takes them."""
    places = {name: getattr(view, name) for name in _PLACES if getattr(view, name) is not None}
    set_here = {each.name: view[each] for each in controls if each.name in dict(view.settings)}
    return [f"{name}={value!r}" for name, value in {**places, **set_here}.items()]
