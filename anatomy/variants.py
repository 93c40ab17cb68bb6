"""Variants: the same model, changed. A variant's name says how: "smollm2-135m~untrained", "gpt2~prune=0.5~4bit".

What stands behind the first "~" are alterations, each with what stands behind its "=", made in this order. Such a name
stands wherever a model's does: in a link, in a command, in `stagelight.open`. `models/variants` carries them out.

What alters the matrices of the layers may be kept to one part of each: "gpt2~3bit=ffn", "gpt2~prune=0.5,attention".
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from anatomy.language import N_, _
from anatomy.refused import Refused, Sentence
from anatomy.request import Intervention

MOST = 8  # alterations of one variant
BLOCK = 32  # weights of a row that share a scale
MARK = "~"
SYMMETRIC = "sym"
PARTS = ("attention", "ffn")  # of each layer, which an alteration of matrices may be kept to: see `part_of`
_ATTENTION = frozenset("qkvo")
_PATH = re.compile(r"[.~/\\]|[A-Za-z]:[/\\]")
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Alteration:
    """One change of a model, a part of a variant's name.

    kind   a row of KINDS
    value  what stands behind its "=", in one spelling of it: words with "," between them; "" for nothing
    """

    kind: str
    value: str = ""

    def __str__(self) -> str:
        return f"{self.kind}={self.value}" if self.value else self.kind

    @property
    def amount(self) -> float:
        """The number in the value; 0 where it has none."""
        number = self.value.partition(",")[0]
        return float(number) if _NUMBER.fullmatch(number) else 0.0

    @property
    def part(self) -> str:
        """The one of PARTS whose matrices alone it alters; "" for an alteration that is kept to none."""
        return _apart(self.value)[1] if self.kind in OF_MATRICES else ""

    @property
    def symmetric(self) -> bool:
        """The levels of its few bits lie symmetrically around 0, by request; int8 has no others."""
        return self.kind in OF_BITS and _apart(self.value)[0] == SYMMETRIC

    @property
    def says(self) -> str:
        """What is altered, in the reader's language."""
        return KINDS[self.kind].said(self.value)

    @property
    def short(self) -> str:
        """The same in a word or two."""
        return KINDS[self.kind].named(self.value)

    def of(self, part: str) -> "Alteration":
        """The same, kept to one of PARTS; "" for all matrices. ValueError for an alteration that cannot be."""
        if self.kind not in OF_MATRICES or part not in ("", *PARTS):
            raise ValueError(f"{self} cannot be kept to {part!r}: one of {PARTS} for one of {sorted(OF_MATRICES)}")
        return Alteration(self.kind, _joined(_apart(self.value)[0], part))

    def around_zero(self, symmetric: bool) -> "Alteration":
        """The same, its levels symmetric around 0 or not. ValueError for one that is not of few bits."""
        if self.kind not in OF_BITS:
            raise ValueError(f"{self} has no levels to choose: one of {sorted(OF_BITS)} has")
        return Alteration(self.kind, _joined(SYMMETRIC if symmetric else "", self.part))


@dataclass(frozen=True)
class Kind:
    """One way to alter a model.

    name      as it stands in a variant's name
    short     what it is called, with a place {value}
    says      what it does, with the same place, and one {matrices} where it may be kept to a part
    read      what stands behind "=" → the same in one spelling; None for what cannot stand there
    usage     how it is written, for whoever wrote it otherwise
    bare      short and says where nothing stands behind "=", or a part alone
    in_parts  it may be kept to one of PARTS, named behind all else
    """

    name: str
    short: str
    says: str
    read: Callable[[str], str | None]
    usage: str
    bare: tuple[str, str] | None = None
    in_parts: bool = False

    def named(self, value: str) -> str:
        """What it is called."""
        value, part = self._split(value)
        what = self._filled(self.short if value or self.bare is None else self.bare[0], value)
        return _(_SHORT[part], what=what) if part else what

    def said(self, value: str) -> str:
        """What it does, as a sentence without its stop."""
        value, part = self._split(value)
        return self._filled(self.says if value or self.bare is None else self.bare[1], value, part)

    def read_whole(self, value: str) -> str | None:
        """What stands behind "=", in one spelling; None for what cannot stand there."""
        if not self.in_parts:
            return self.read(value)
        if value and not all(value.split(",")):
            return None
        own, part = _apart(value)
        read = self.read(own)
        return None if read is None else _joined(read, part)

    def _split(self, value: str) -> tuple[str, str]:
        return _apart(value) if self.in_parts else (value, "")

    def _filled(self, words: str, value: str, part: str = "") -> str:
        shown = f"{100 * float(value):g}" if self.name == "prune" else value
        return _(words, value=shown, bits=self.name.removesuffix("bit"), block=BLOCK, matrices=_(MATRICES[part]))


MATRICES = {
    "": N_("the matrices of the layers"),
    "attention": N_("the matrices of attention"),
    "ffn": N_("the matrices of the FFN"),
}
_SHORT = {"attention": N_("{what} (attention)"), "ffn": N_("{what} (FFN)")}


def _apart(value: str) -> tuple[str, str]:
    """What stands behind "=" without the part that is named there, and that part; "" for none. Of two parts one is left
    where no kind can read it."""
    words = value.split(",")
    part = next((word for word in words if word in PARTS), "")
    if part:
        words.remove(part)
    return ",".join(words), part


def _joined(own: str, part: str) -> str:
    return ",".join(filter(None, (own, part)))


def _nothing(value: str) -> str | None:
    return None if value else ""


def _symmetric(value: str) -> str | None:
    return value if value in ("", SYMMETRIC) else None


def _below(most: float) -> Callable[[str], str | None]:
    """A number from 0 to less than this."""

    def read(value: str) -> str | None:
        if not _NUMBER.fullmatch(value) or float(value) >= most:
            return None
        return f"{float(value):.6f}".rstrip("0").rstrip(".")

    return read


def _whole(least: int, optional: bool = False) -> Callable[[str], str | None]:
    """A whole number that is not below this; optional: nothing counts as the least."""

    def read(value: str) -> str | None:
        if optional and not value:
            return ""
        number = int(value) if _WHOLE.fullmatch(value) else -1
        return None if number < least else "" if optional and number == least else str(number)

    return read


def _name(value: str) -> str | None:
    """Of an adapter, or the path of one."""
    return value or None


def _bits(bits: int) -> Kind:
    return Kind(
        f"{bits}bit",
        N_("{bits} bits, symmetric"),
        N_("{matrices} in {bits} bits: every {block} weights of a row share a scale, 0 stays 0"),
        _symmetric,
        N_(
            "{kind}, or {kind}=sym for levels that lie symmetrically around 0; {kind}=ffn or {kind}=sym,attention for "
            "the matrices of one part"
        ),
        bare=(
            N_("{bits} bits"),
            N_("{matrices} in {bits} bits: every {block} weights of a row share a scale and a least value"),
        ),
        in_parts=True,
    )


_PLAIN = N_("{kind}, with nothing behind it")
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            "untrained",
            N_("untrained, seed {value}"),
            N_("weights drawn at random as before training, by the library's own rule (seed {value})"),
            _whole(0, optional=True),
            N_("untrained, or untrained=7 for other random numbers"),
            bare=(
                N_("untrained"),
                N_("weights drawn at random as before training, by the library's own rule"),
            ),
        ),
        Kind(
            "lora",
            N_("adapter {value}"),
            N_("the adapter {value} added to its weights"),
            _name,
            N_("lora=NAME, with the name of an adapter that the server was started with"),
        ),
        Kind(
            "shared",
            N_("{value} layers share weights"),
            N_("every {value} layers in a row share the weights of the first of them"),
            _whole(1),
            N_("shared=2, with a whole number of layers"),
        ),
        Kind(
            "int8",
            N_("int8"),
            N_("{matrices} in 8 bits: each row has one scale, 0 stays 0"),
            _nothing,
            N_("{kind}, or {kind}=ffn or {kind}=attention for the matrices of one part"),
            in_parts=True,
        ),
        *map(_bits, (8, 6, 5, 4, 3, 2)),
        Kind(
            "prune",
            N_("{value} % pruned"),
            N_("{matrices} pruned: in each of them the {value} % of the weights that are nearest to 0 set to 0"),
            _below(1),
            N_("prune=0.5, with a share from 0 to less than 1; prune=0.5,ffn or prune=0.5,attention for one part"),
            in_parts=True,
        ),
        Kind(
            "bf16",
            N_("bfloat16"),
            N_("weights and arithmetic in bfloat16"),
            _nothing,
            _PLAIN,
        ),
        Kind(
            "fp16",
            N_("float16"),
            N_("weights and arithmetic in float16"),
            _nothing,
            _PLAIN,
        ),
        Kind(
            "dropout",
            N_("dropout {value}"),
            N_("dropout of {value} on what attention and FFN write, as in training"),
            _below(1),
            N_("dropout=0.1, with a probability from 0 to less than 1"),
        ),
        Kind(
            "noskip",
            N_("no skip connections"),
            N_("no skip connections: each part's output replaces the stream"),
            _nothing,
            _PLAIN,
        ),
        Kind(
            "nonorm",
            N_("no norms"),
            N_("no norms: all parts read the stream as it is"),
            _nothing,
            _PLAIN,
        ),
    )
}
OTHERWISE = ("bf16", "fp16", "dropout", "noskip", "nonorm")  # alterations of the computation, not of the weights
PRECISIONS = {"bf16": "bfloat16", "fp16": "float16"}
OF_MATRICES = frozenset(name for name, kind in KINDS.items() if kind.in_parts)
OF_BITS = frozenset(name for name in KINDS if name.endswith("bit"))
_OF_ALL = frozenset({"untrained", "lora"})
_UNKNOWN = N_("“{part}” is no variant of a model. Variants are: {known}.")
_MEANT = N_("“{part}” is no variant of a model. Did you mean {near}? Variants are: {known}.")
_VALUE = N_("“{part}” cannot be read. Write {usage}.")
_TWICE = N_("“{kind}” stands twice in “{name}”: a variant has each alteration once.")
_FIRST = N_("“untrained” stands behind other alterations in “{name}”, which it would undo: write it first.")
_TWO_PRECISIONS = N_("“{name}” names two precisions: a model computes in one.")
_TOO_MANY = N_("“{name}” has more than {most} alterations.")
# What begins an alteration behind a path, which may hold the mark itself: one of their names, to its end.
_BEGINS = re.compile(rf"(?<!^){MARK}(?=(?:{'|'.join(KINDS)})(?:=|{MARK}|$))")


def split(address: str) -> tuple[str, str]:
    """A model's address or name, and what is behind its first mark, the mark included; "" for a model as it is."""
    if _PATH.match(address):
        found = _BEGINS.search(address)
        at = -1 if found is None else found.start()
    else:
        at = address.find(MARK)
    return (address, "") if at < 0 else (address[:at], address[at:])


def read(address: str) -> tuple[str, tuple[Alteration, ...]]:
    """A model's address or name, and what is altered in it. Refused, with what would do, for what is no alteration, and
    for several that do not go together."""
    base, rest = split(address)
    return base, alterations(rest, address)


def alterations(rest: str, name: str) -> tuple[Alteration, ...]:
    """What stands behind a model's name, from the first mark on. name: of the whole variant, for sentences. Refused as
    `read` is."""
    made = tuple(map(_alteration, rest.split(MARK)[1:]))
    kinds = [one.kind for one in made]
    if len(made) > MOST:
        raise Refused(_TOO_MANY, name=_shortened(name), most=MOST)
    for kind in kinds:
        if kinds.count(kind) > 1:
            raise Refused(_TWICE, kind=kind, name=_shortened(name))
    if "untrained" in kinds[1:]:
        raise Refused(_FIRST, name=_shortened(name))
    if PRECISIONS.keys() <= set(kinds):
        raise Refused(_TWO_PRECISIONS, name=_shortened(name))
    return made


def alike(name: str, other: str) -> bool:
    """Whether two names are those of one model and its variants: the same tokens, as many layers and heads."""
    return _base(name) == _base(other)


def _base(name: str) -> str:
    """The model that a variant is of; a name that has the mark and is none's is a model's own."""
    try:
        return read(name)[0]
    except Refused:
        return name


def _alteration(part: str) -> Alteration:
    name, equals, value = part.partition("=")
    kind = KINDS.get(name)
    if kind is None:
        near = get_close_matches(name, KINDS, n=1)
        template = _MEANT if near else _UNKNOWN
        raise Refused(template, part=_shortened(part), known=", ".join(KINDS), near=near[0] if near else "")
    read = None if equals and not value else kind.read_whole(value)
    if read is None:
        raise Refused(_VALUE, part=_shortened(part), usage=Sentence(kind.usage, kind=name))
    return Alteration(name, read)


def _shortened(text: str) -> str:
    return f"{text[:60]}…" if len(text) > 60 else text


def written(base: str, alterations: Iterable[Alteration]) -> str:
    """The name of a variant."""
    return base + "".join(f"{MARK}{one}" for one in alterations)


def new_bytes(counts: Mapping[str, int], alterations: Iterable[Alteration]) -> int:
    """Bytes that the weights of a variant take beside those of its base, at most. An adapter may untie the output layer
    from the embedding table; one of a rare kind is merged on copies of all weights, which are gone afterwards.

    counts  parameters of the base by part, as in `anatomy.spec.ModelSpec.counts`; a number takes four bytes in it
    """
    alterations = tuple(alterations)
    kinds, whole = {one.kind for one in alterations}, sum(counts.values())
    parts = {part for one in alterations if one.kind in OF_MATRICES for part in ((one.part,) if one.part else PARTS)}
    changed = whole if kinds & _OF_ALL else sum(counts[part] for part in parts)
    changed += counts["embedding"] if "lora" in kinds else 0
    return 4 * changed + (2 * whole if kinds & PRECISIONS.keys() else 0)


def of_weights(alterations: Iterable[Alteration], part: str = "") -> bool:
    """Whether any of these makes other weights than those that a checkpoint's file holds. part: one of PARTS, of whose
    matrices alone it is asked; "" for all weights."""
    return any(_of_weights(one, part) for one in alterations)


def _of_weights(one: Alteration, part: str) -> bool:
    if one.kind in OF_MATRICES:
        nothing = one.kind == "prune" and one.amount == 0
        return not nothing and (part == "" or one.part in ("", part))
    return one.kind not in OTHERWISE or one.kind in PRECISIONS


def part_of(matrix: str) -> str:
    """The one of PARTS that a matrix of a layer belongs to: q, k, v, o; gate, up, down."""
    return "attention" if matrix in _ATTENTION else "ffn"


def in_every_run(alterations: Iterable[Alteration], final_norm: bool) -> tuple[Intervention, ...]:
    """What is changed in every forward pass of a model so altered, where that is no matter of its weights.

    final_norm  the model has a norm before its output layer
    """
    made: list[Intervention] = []
    for one in alterations:
        if one.kind == "dropout":
            made += [Intervention(site, "dropout", amount=one.amount) for site in ("attn_out", "ffn_out")]
        elif one.kind == "noskip":
            made += [Intervention("attn_skip", "drop"), Intervention("ffn_skip", "drop")]
        elif one.kind == "nonorm":
            made += [Intervention("attn_norm", "drop"), Intervention("ffn_norm", "drop")]
            made += [Intervention("final_norm", "drop")] if final_norm else []
    return tuple(made)
