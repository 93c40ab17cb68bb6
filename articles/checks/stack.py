"""Claims on the stack of layers: of what it is made, in which order, and what depth does."""

import math

import numpy as np

from anatomy.language import _, ngettext
from anatomy.measure import cosines, leads_from, norms
from anatomy.request import Intervention, Want
from anatomy.rounding import largest_at
from articles.checks.overview import overview
from articles.verdict import Case, Verdict
from viz.format import cosine, number, percent, quoted, thousands

_ORDER, _GAPS = Want("layer_order"), Want("weight_gap")
NORM, ATTENTION, FFN = range(3)  # how the site layer_order writes the parts
_MOVED = 0.01  # of a write's length
_UNSETTLED = 0.1  # nats


def _events(case: Case) -> list[list[int]]:
    """The parts of each layer in the order in which they ran."""
    return [[int(part) for part in row if part >= 0] for row in overview(case, _ORDER.site)[_ORDER]]


def _how_events() -> str:
    return _("Site layer_order: the parts of every layer as they were called in this run.")


def transformer(case: Case) -> Verdict:
    """Attention in every layer, and which kind of Transformer the stacks make."""
    events = _events(case)
    with_attention = sum(ATTENTION in row for row in events)
    ran = ngettext(
        "Attention ran in {found} of {count} layer, and nothing but attention, feed-forward networks and norms did.",
        "Attention ran in {found} of {count} layers, and nothing but attention, feed-forward networks and norms did.",
        len(events),
        found=with_attention,
    )
    kind = "holds" if with_attention == len(events) else "part" if with_attention else "not"
    rest = (
        _("It is a decoder: each token sees only what stands before it.")
        if case.spec.stack().causal
        else _("It is an encoder: each token sees all others.")
    )
    opened = _(case.spec.opened) if case.spec.opened else ""
    sentences = " ".join(sentence for sentence in (ran, rest, opened) if sentence)
    return Verdict(kind, sentences, how=_how_events(), value=with_attention, unit="layers")


def two_parts(case: Case) -> Verdict:
    """Attention once and a feed-forward network once in each layer."""
    events = _events(case)
    both = sum(row.count(ATTENTION) == row.count(FFN) == 1 for row in events)
    others = sum(row.count(NORM) for row in events) / len(events)
    sentence = ngettext(
        "In {both} of {count} layer attention and a feed-forward network ran once each; besides them {others} norms "
        "per layer, and the sums.",
        "In {both} of {count} layers attention and a feed-forward network ran once each; besides them {others} norms "
        "per layer, and the sums.",
        len(events),
        both=both,
        others=thousands(round(others)) if others == round(others) else number(others, 2),
    )
    kind = "holds" if both == len(events) else "part" if both else "not"
    return Verdict(kind, sentence, how=_how_events(), value=both, unit="layers")


def stacked(case: Case) -> Verdict:
    """How many layers there are, and whether they are built alike."""
    layers = case.spec.layers
    if layers < 2:
        sentence = _("This model has one layer: nothing is stacked.")
        return Verdict("not", sentence, how=_("Layers of the model."), value=layers, unit="layers")
    gaps, events = case.trace(_GAPS)[_GAPS], _events(case)
    alike = all(row == events[0] for row in events)
    sentence = ngettext(
        "{count} layer stands there, built alike with matrices of equal shapes; each has weights of its own, {least} "
        "to {most} from those of the layer before.",
        "{count} layers stand on top of each other, built alike with matrices of equal shapes; each has weights of "
        "its own, {least} to {most} from those of the layer before.",
        layers,
        least=number(float(gaps.min())),
        most=number(float(gaps.max())),
    )
    if not alike:
        sentence = ngettext(
            "{count} layer stands there, but not all have the same parts.",
            "{count} layers stand on top of each other, but not all have the same parts.",
            layers,
        )
    how = _("Layers of the model, site layer_order in each, site weight_gap between neighbours.")
    return Verdict("holds" if alike else "part", sentence, how=how, value=layers, unit="layers")


def independent(case: Case) -> Verdict:
    """One layer left out: how far do the writes of those after it change?"""
    spec = case.spec
    if spec.layers < 2:
        sentence = _("This model has one layer: none comes after it.")
        return Verdict("unseen", sentence, how=_("Layers of the model."), value=spec.layers, unit="layers")
    layer, pos = min(case.view.layer, spec.layers - 2), case.view.pos
    later = range(layer + 1, spec.layers)
    wants = [Want(site, at, pos=pos) for at in later for site in ("resid_pre", "resid_post")]
    plain, cut = (
        case.trace(*wants),
        case.intervened([Intervention(site, "zero", layer) for site in ("attn_out", "ffn_out")], *wants),
    )
    changes = []
    for at in later:
        enter, leave = (Want(site, at, pos=pos) for site in ("resid_pre", "resid_post"))
        one, other = (trace[leave].astype(np.float64) - trace[enter] for trace in (plain, cut))
        changes.append(float(norms(other - one) / max(float(norms(one)), 1e-12)))
    mean, most = float(np.mean(changes)), largest_at(np.array(changes))
    sentence = ngettext(
        "With layer {layer} left out, the {count} layer after it writes something else: the change is {mean} of its "
        "write on average, most in layer {at} ({size}).",
        "With layer {layer} left out, the {count} layers after it write something else: the change is {mean} of their "
        "write on average, most in layer {at} ({size}).",
        len(changes),
        layer=layer,
        mean=percent(mean) if mean < 1 else number(mean),
        at=layer + 1 + most,
        size=percent(changes[most]) if changes[most] < 1 else number(changes[most]),
    )
    rest = (
        _("That each hands its output on holds; that it works independently of the others does not.")
        if mean > _MOVED
        else _("They do not depend on it.")
    )
    return Verdict(
        "part" if mean > _MOVED else "holds",
        f"{sentence} {rest}",
        how=_(
            "Sites resid_post − resid_pre of every later layer at {token}: length of the change over the write's own "
            "length.",
            token=quoted(plain.labels[pos]),
        ),
        value=mean,
        unit="share",
        tolerance=_MOVED,
        at={"layer": layer, "pos": pos},
        second=_("The same text was run a second time with what layer {layer} writes left out.", layer=layer),
    )


def hierarchy(case: Case) -> Verdict:
    """What can be measured of low and high levels: the stream leaves its input behind and nears the answer."""
    spec, pos = case.spec, case.view.pos
    streams = [Want("resid_post", layer, pos=pos) for layer in range(spec.layers)]
    enters = Want("resid_pre", 0, pos=pos)
    lens = [] if spec.head is None else [Want("lens_ids", pos=pos)]
    trace = case.trace(enters, *streams, *lens)
    path = np.stack([trace[want] for want in streams])  # [layer d_model]
    to_input = cosines(path, trace[enters][None])
    to_end = cosines(path, path[-1][None])
    sentence = _(
        "At {token} the cosine with the vector that entered is {first} after the first layer and {last} after the "
        "last; with the last vector it is {begun} after the first.",
        token=quoted(trace.labels[pos]),
        first=cosine(float(to_input[0])),
        last=cosine(float(to_input[-1])),
        begun=cosine(float(to_end[0])),
    )
    settled, late = None, _trend(to_input) < 0
    if lens:
        ids = trace[lens[0]][:, 0]  # [layer]
        settled = leads_from(trace[lens[0]])
        late = settled >= spec.layers / 2
        sentence += " " + _(
            "The final answer {answer} leads for good from layer {layer} of 0 to {last} on.",
            answer=quoted(trace.following(int(ids[-1]), pos)),
            layer=settled,
            last=spec.layers - 1,
        )
    rest = _("Whether low layers hold simple features and high ones abstract ones, these numbers do not tell.")
    return Verdict(
        "part" if late and _trend(to_end) > 0 else "not",
        f"{sentence} {rest}",
        how=_(
            "Cosine of resid_post of each layer with resid_pre of layer 0 and with the last stream; site lens_ids. The "
            "last stream has to be neared with depth (correlation with the layer's number), and the answer to settle "
            "in the upper half; without an output layer, the input has to be left behind."
        ),
        value=float(to_end[0]),
        unit="cosine",
        at={"layer": spec.layers // 2 if settled is None else settled, "pos": pos},
    )


def _trend(values: np.ndarray) -> float:
    """Correlation of values with their place in a row; 0 for one alone or for equal ones."""
    if len(values) < 2 or np.ptp(values) == 0:
        return 0.0
    return float(np.corrcoef(np.arange(len(values)), values)[0, 1])


def depth(case: Case) -> Verdict:
    """How far the answer after half of the layers is from the final one."""
    spec, pos = case.spec, case.view.pos
    if spec.head is None:
        sentence = _("This model has no output layer: there is no answer to be early or late.")
        return Verdict("absent", sentence, how=_("Output layer of the model."))
    kl = Want("lens_kl", pos=pos)
    half = (spec.layers - 1) // 2
    trace = case.trace(kl)
    far = float(trace[kl][half])
    sentence = _(
        "Read off after layer {layer}, half-way, the prediction at {token} is {far} nat from the final one (guessing "
        "evenly leaves {chance} at most).",
        layer=half,
        token=quoted(trace.labels[pos]),
        far=number(far),
        chance=number(math.log(spec.vocab)),
    )
    rest = (
        _(
            "The final norm and output layer were made for the last stream, so that this counts both what the upper "
            "half works out and how ill they fit half-way. That depth is what complex patterns take, models of other "
            "depths, trained alike, would show."
        )
        if far > _UNSETTLED
        else _("The upper half hardly changes it.")
    )
    return Verdict(
        "part" if far > _UNSETTLED else "not",
        f"{sentence} {rest}",
        how=_("Site lens_kl at {token}: KL divergence of the final distribution.", token=quoted(trace.labels[pos])),
        value=far,
        unit="nat",
        tolerance=_UNSETTLED,
        at={"layer": half, "pos": pos},
    )


def order_of_blocks(case: Case) -> Verdict:
    """The order in which the parts of a layer ran, against attention, FFN, then norm."""
    events = _events(case)
    row = events[min(case.view.layer, len(events) - 1)]
    names = {NORM: _("norm"), ATTENTION: _("attention"), FFN: _("feed-forward")}
    order = " → ".join(names[part] for part in row)
    main = [part for part in row if part != NORM]
    said = main == [ATTENTION, FFN]
    sentence = _("In every layer here: {order}; a sum follows each part.", order=order)
    if not all(other == row for other in events):
        sentence = _("In layer {layer}: {order}; other layers differ.", layer=case.view.layer, order=order)
    if row == [ATTENTION, FFN, NORM]:
        kind, rest = "holds", _("That is the order of the article's figure.")
    elif said:
        kind = "part"
        rest = _("Attention before the feed-forward network, as said; norms and sums come twice, not once at the end.")
    else:
        kind, rest = "not", _("Attention does not simply stand before the feed-forward network.")
    return Verdict(
        kind, f"{sentence} {rest}", how=_how_events(), value=len(row), unit="parts", at={"layer": case.view.layer}
    )
