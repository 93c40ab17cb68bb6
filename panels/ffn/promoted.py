"""What the strongest neurons of one layer's FFN say: the tokens that each one's write raises and lowers most.

Geva et al. 2022, "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in the Vocabulary Space".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anatomy.interventions import LAYER
from anatomy.language import N_, _, ngettext
from anatomy.request import Want
from anatomy.spec import ModelSpec
from anatomy.trace import Trace
from anatomy.view import Fitted
from panels.common.logit_decomposition import applies
from panels.common.snippet import LAYERS, opening
from panels.common.touched import Touched, of_ffn
from panels.panel import Panel, Table
from viz.bars import Bars
from viz.format import listed, number, quoted, thousands
from viz.marks import Stands
from viz.rows import Bar
from viz.scale import clipped

_NAMED = 3  # tokens that stand beside a bar
_WIDEST = 9  # characters of each
_ROW = 26  # pixels of one neuron
_SITES = ("ids", "acts", "norms", "up_ids", "up_logits", "down_ids", "down_logits")


def needs(spec: ModelSpec, view: Fitted) -> Sequence[Want]:
    """The chosen layer's neurons that write most to the chosen token, and the tokens they raise and lower."""
    return tuple(Want(f"write_{site}", view.layer, pos=view.pos) for site in _SITES)


@dataclass(frozen=True)
class Neuron:
    """One neuron's write: its number, its value (activation), the length of what it writes (L2 norm), and (name, logits
    added) of the tokens that it raises and lowers most; none where it only lowers, or only raises."""

    number: int
    act: float
    length: float
    up: tuple[tuple[str, float], ...]
    down: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Writers:
    """The neurons that write most to the chosen token.

    layer, token  the chosen layer, and the token's label
    d_ff          neurons of the layer
    bare          whether this run leaves the final norm out
    centred       whether the final norm takes the mean off before it divides
    neurons       those that write the longest vectors, longest first
    chosen        number of the neuron that the reader has chosen; None for none
    held          changes that let less of what neurons write through
    """

    layer: int
    token: str
    d_ff: int
    bare: bool
    centred: bool
    neurons: tuple[Neuron, ...]
    chosen: int | None
    held: Touched

    @property
    def none(self) -> bool:
        """Whether nothing of what any neuron writes goes on."""
        return not any(neuron.length or neuron.up or neuron.down for neuron in self.neurons)


def read(trace: Trace, view: Fitted) -> Writers:
    """The neurons that write most, with the names of what they raise and lower."""
    columns = [trace[want] for want in needs(trace.spec, view)]
    neurons = tuple(
        Neuron(int(i), float(act), float(length), _named(trace, up, ups, 1), _named(trace, down, downs, -1))
        for i, act, length, up, ups, down, downs in zip(*columns, strict=True)
    )
    spec, token = trace.spec, trace.tokens[view.pos].label
    held = of_ffn(trace, view.layer, view.pos).of_ops("zero", "mean", "patch", "scale")
    held += Touched.of(trace, view.layer, LAYER).of_ops("drop")
    bare = not spec.paths.final_norm
    centred = spec.norm.kind == "layer" and not bare
    return Writers(view.layer, token, spec.d_ff, bare, centred, neurons, view.neuron, held)


def _named(trace: Trace, ids: np.ndarray, logits: np.ndarray, sign: int) -> tuple[tuple[str, float], ...]:
    """Those of this sign: a neuron may raise even the tokens that it raises least."""
    pairs = zip(ids.tolist(), logits.tolist(), strict=True)
    return tuple((trace.name(row), value) for row, value in pairs if sign * value > 0)


def _spoken(tokens: tuple[tuple[str, float], ...], count: int = _NAMED) -> str:
    return " ".join(clipped(name, _WIDEST) for name, _logit in tokens[:count]) or "–"


def draw(writers: Writers) -> Bars:
    """A bar for the length of each neuron's write, and beside it the tokens it raises (↑) and lowers (↓)."""
    bars = [
        Bar(
            _("neuron {neuron}", neuron=each.number),
            each.length,
            f"{number(each.length, 2)}   ↑ {_spoken(each.up)}   ↓ {_spoken(each.down)}",
            _(
                "value {value}, writes a vector of length {length}. Raises {up}. Lowers {down}.",
                value=number(each.act),
                length=number(each.length),
                up=_with_logits(each.up),
                down=_with_logits(each.down),
            ),
            accent=i == 0,
            focus=each.number == writers.chosen,
        )
        for i, each in enumerate(writers.neurons)
    ]
    numbers = tuple(each.number for each in writers.neurons)
    stands = (Stands("neuron", numbers, Stands("layer", (writers.layer,) * len(numbers))),)
    return Bars(bars, _("length of what it writes (L2 norm)"), low=0.0, row=_ROW, stands=stands)


def _with_logits(tokens: tuple[tuple[str, float], ...]) -> str:
    return listed(f"{quoted(name)} {_signed(value)}" for name, value in tokens) or _("no token")


def _signed(value: float) -> str:
    return f"+{number(value, 2)}" if value > 0 else number(value, 2)


def caption(writers: Writers) -> str:
    """The neuron that writes most, what it raises and lowers, how many more are shown, and the chosen one's place."""
    first = writers.neurons[0]
    if writers.none:
        return _nothing(writers)
    most = _held(writers, first) if writers.held.made else _most(writers, first)
    return " ".join(part for part in (most, _chosen(writers)) if part)


def _most(writers: Writers, first: Neuron) -> str:
    values = {
        "layer": writers.layer,
        "neuron": first.number,
        "token": quoted(writers.token),
        "value": number(first.act),
        "length": number(first.length),
        "does": _does(first),
        "every": thousands(writers.d_ff),
    }
    if writers.bare:
        return ngettext(
            "In layer {layer} neuron {neuron} writes most to {token}: its value, {value}, times its row has length "
            "{length}. By itself that {does}, as the final norm is left out in this run. Shown is {count} neuron of "
            "{every}.",
            "In layer {layer} neuron {neuron} writes most to {token}: its value, {value}, times its row has length "
            "{length}. By itself that {does}, as the final norm is left out in this run. Shown are {count} neurons of "
            "{every}.",
            len(writers.neurons),
            **values,
        )
    return ngettext(
        "In layer {layer} neuron {neuron} writes most to {token}: its value, {value}, times its row has length "
        "{length}. By itself that {does}, with the final norm's divisor kept as it was in this run. Shown is {count} "
        "neuron of {every}.",
        "In layer {layer} neuron {neuron} writes most to {token}: its value, {value}, times its row has length "
        "{length}. By itself that {does}, with the final norm's divisor kept as it was in this run. Shown are {count} "
        "neurons of {every}.",
        len(writers.neurons),
        **values,
    )


def _chosen(writers: Writers) -> str:
    """The chosen neuron's place among those shown, and what it does; "" where none is chosen, or the first is."""
    numbers = [each.number for each in writers.neurons]
    if writers.chosen in (None, numbers[0]):
        return ""
    if writers.chosen not in numbers:
        return _("The chosen one, neuron {neuron}, is not shown.", neuron=writers.chosen)
    place = numbers.index(writers.chosen)
    return _(
        "The chosen one, neuron {neuron}, is number {rank}, with length {length}: by itself it {does}.",
        neuron=writers.chosen,
        rank=place + 1,
        length=number(writers.neurons[place].length),
        does=_does(writers.neurons[place]),
    )


def _nothing(writers: Writers) -> str:
    """That no neuron writes anything to the token, and what lets nothing through."""
    nothing = _(
        "In layer {layer} nothing that a neuron writes goes into the stream of {token}: it has length 0, and raises "
        "and lowers no token.",
        layer=writers.layer,
        token=quoted(writers.token),
    )
    return f"{nothing} {_let_through(writers)}" if writers.held.made else nothing


def _let_through(writers: Writers) -> str:
    return _(
        "Of what the neurons write only so much counts as this run's changes let through ({change}).",
        change=writers.held.says,
    )


def _held(writers: Writers, first: Neuron) -> str:
    """The neuron that writes most where some of what neurons write does not go on."""
    template = N_(
        "In layer {layer} neuron {neuron} writes most to {token}: with the value {value} a vector of length {length}. "
        "By itself that {does}, with the final norm's divisor kept as it was in this run."
    )
    if writers.bare:
        template = N_(
            "In layer {layer} neuron {neuron} writes most to {token}: with the value {value} a vector of length "
            "{length}. By itself that {does}, as the final norm is left out in this run."
        )
    most = _(
        template,
        layer=writers.layer,
        neuron=first.number,
        token=quoted(writers.token),
        value=number(first.act),
        length=number(first.length),
        does=_does(first),
    )
    return f"{most} {_let_through(writers)}"


def _does(neuron: Neuron) -> str:
    """Which token it raises most and which it lowers most, of those that it raises or lowers at all."""
    if neuron.up and neuron.down:
        return _("raises {up} most and lowers {down} most", up=_first(neuron.up), down=_first(neuron.down))
    if neuron.up:
        return _("raises {up} most and lowers no token", up=_first(neuron.up))
    if neuron.down:
        return _("lowers {down} most and raises no token", down=_first(neuron.down))
    return _("raises and lowers no token")


def _first(tokens: tuple[tuple[str, float], ...]) -> str:
    name, value = tokens[0]
    return f"{quoted(name)} ({_signed(value)})"


def table(writers: Writers) -> Table:
    """A row per neuron and token, those that it raises before those that it lowers."""
    rows = [
        (each.number, each.act, each.length, way, name, value)
        for each in writers.neurons
        for way, tokens in ((_("raises"), each.up), (_("lowers"), each.down))
        for name, value in tokens
    ]
    columns = (_("neuron"), _("value"), _("length (L2 norm)"), _("way"), _("token"), _("logits"))
    return Table(columns, tuple(rows))


def formula(writers: Writers) -> str:
    """The first neuron's write, its length, and what it adds to one logit."""
    first = writers.neurons[0]
    return "\n".join(
        (
            _(
                "layer {layer}, neuron {neuron}, {token}",
                layer=writers.layer,
                neuron=first.number,
                token=quoted(writers.token),
            ),
            _("write = value × row of the down projection; the sum over all neurons (and a bias, if any) is the FFN's"),
            _length(writers, first),
            _logits(writers),
            _("by itself it {does}", does=_does(first)),
            _("Later layers read the write too: this is its direct way to the output alone."),
        )
    )


def _length(writers: Writers, first: Neuron) -> str:
    """How the length of the first neuron's write comes about."""
    if writers.held.made:
        return _(
            "‖write‖ = |value| × ‖row‖ × how much this run's changes let through ({change}) = {length}",
            change=writers.held.says,
            length=number(first.length),
        )
    return _(
        "‖write‖ = |value| × ‖row‖ = {value} × {row} = {length}",
        value=number(abs(first.act)),
        row=number(first.length / abs(first.act) if first.act else 0.0),
        length=number(first.length),
    )


def _logits(writers: Writers) -> str:
    """How a write becomes logits."""
    if writers.bare:
        return _("logits = write · row of each token of the output layer: the final norm is left out in this run")
    if writers.centred:
        return _(
            "logits = (write − its mean) × gain of the final norm / divisor · row of each token of the output layer"
        )
    return _("logits = write × gain of the final norm / divisor · row of each token of the output layer")


def snippet(spec: ModelSpec, view: Fitted) -> str:
    """Of the strongest writes: value, length, and the most that each raises and lowers a logit: [4, neurons]."""
    where = spec.paths
    mean = " - writes.mean(dim=-1, keepdim=True)" if spec.norm.kind == "layer" else ""
    centred = " - final.mean()" if spec.norm.kind == "layer" else ""
    return f'''{opening(spec, view)}
{LAYERS}
down, norm = layers[{view.layer}].get_submodule("{where.ffn}"), model.base_model.get_submodule("{where.final_norm}")
seen = []
for module in (down, norm):  # the layer's neurons, then the final stream
    module.register_forward_pre_hook(lambda module, given: seen.append(given[0][0, {view.pos}].double()))
with torch.no_grad():
    model(**inputs)

neurons, final = seen
rows = (down.weight.T if isinstance(down, torch.nn.Linear) else down.weight).detach().double()  # [d_ff, d_model]
lengths = neurons.abs() * rows.norm(dim=-1)
strongest = lengths.topk(min(10, len(lengths))).indices
writes = neurons[strongest, None] * rows[strongest]
divisor = ((final{centred}).square().mean() + {spec.norm.eps!r}).sqrt()  # as the final norm had it
scaled = (writes{mean}) / divisor * norm.weight.detach().double()
logits = scaled @ model.get_output_embeddings().weight.detach().double().T  # [neuron, vocab]
result = torch.stack([neurons[strongest], lengths[strongest], logits.max(dim=-1).values, logits.min(dim=-1).values])
for neuron, up, down in zip(strongest.tolist(), logits.topk(5).indices, (-logits).topk(5).indices):
    print(neuron, [tokenizer.decode([t]) for t in up.tolist()], [tokenizer.decode([t]) for t in down.tolist()])
'''


PANEL = Panel(
    id="promoted",
    stage="ffn",
    order=3,
    name=N_("Tokens they promote"),
    title=N_("Which tokens do the neurons promote?"),
    needs=needs,
    read=read,
    draw=draw,
    caption=caption,
    table=table,
    formula=formula,
    snippet=snippet,
    applies=applies,
    places=("layer",),
    wide=True,
)
