"""A variant's name is read strictly, and one variant has one name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anatomy import variants
from anatomy.language import use_locale
from anatomy.refused import Refused
from anatomy.request import Intervention
from anatomy.variants import (
    KINDS,
    OF_MATRICES,
    PARTS,
    Alteration,
    in_every_run,
    new_bytes,
    of_weights,
    read,
    split,
    written,
)


def _listed(words: tuple[str, ...]) -> str:
    return ",".join(word for word in words if word)


PART = st.sampled_from(["", *PARTS])
VALUES = {
    "untrained": st.integers(1, 10**9 - 1).map(str) | st.just(""),
    "lora": st.from_regex(r"[a-z0-9_.-]{1,12}", fullmatch=True),
    "shared": st.integers(1, 99).map(str),
    "prune": st.tuples(st.integers(0, 999).map(lambda share: f"{share / 1000:g}"), PART).map(_listed),
    "int8": PART,
    "dropout": st.integers(0, 99).map(lambda share: f"{share / 100:g}"),
    **{f"{bits}bit": st.tuples(st.sampled_from(["", "sym"]), PART).map(_listed) for bits in (2, 3, 4, 5, 6, 8)},
}
ALTERATIONS = st.sampled_from(sorted(KINDS)).flatmap(
    lambda kind: VALUES.get(kind, st.just("")).map(lambda value: Alteration(kind, value))
)


def _together(chosen: list[Alteration]) -> bool:
    kinds = [one.kind for one in chosen]
    return len(set(kinds)) == len(kinds) and "untrained" not in kinds[1:] and not {"bf16", "fp16"} <= set(kinds)


@given(
    st.sampled_from(["smollm2-135m", "owner/name@v2.1", "./folder/my-model", "~/models/a~b", "C:\\models\\m"]),
    st.lists(ALTERATIONS, max_size=4).filter(_together),
)
def test_what_is_written_is_read_as_it_was(base: str, alterations: list[Alteration]) -> None:
    assert read(written(base, alterations)) == (base, tuple(alterations))


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("m~prune=0.50", "m~prune=0.5"),
        ("m~untrained=0", "m~untrained"),
        ("m~untrained=07", "m~untrained=7"),
        ("m~shared=02", "m~shared=2"),
        ("m~dropout=0.100", "m~dropout=0.1"),
        ("m~prune=0", "m~prune=0"),
        ("m~prune=0.00009", "m~prune=0.00009"),
        ("m~dropout=0.000001", "m~dropout=0.000001"),
        ("m~3bit=ffn,sym", "m~3bit=sym,ffn"),
        ("m~3bit=sym,attention", "m~3bit=sym,attention"),
        ("m~int8=ffn", "m~int8=ffn"),
        ("m~prune=0.50,attention", "m~prune=0.5,attention"),
        ("m~prune=attention,0.5", "m~prune=0.5,attention"),
    ],
)
def test_one_variant_has_one_name(said: str, name: str) -> None:
    assert written(*read(said)) == name
    assert read(name) == read(said)


@given(st.from_regex(r"0(\.[0-9]{1,6})?", fullmatch=True))
def test_a_share_is_read_again_as_it_was_written(share: str) -> None:
    _base, (pruned,) = read(f"m~prune={share}")
    assert read(written("m", [pruned])) == ("m", (pruned,))
    assert pruned.amount == float(share)


@pytest.mark.parametrize(
    ("address", "base", "rest"),
    [
        ("smollm2-135m", "smollm2-135m", ""),
        ("smollm2-135m~4bit~bf16", "smollm2-135m", "~4bit~bf16"),
        ("~/models/mine", "~/models/mine", ""),
        ("~/models/mine~bf16", "~/models/mine", "~bf16"),
        ("./run~1", "./run~1", ""),
        ("./run~1~prune=0.5", "./run~1", "~prune=0.5"),
        ("/a~b/c~bf16x", "/a~b/c~bf16x", ""),
        ("owner/name@v2~int8", "owner/name@v2", "~int8"),
    ],
)
def test_a_mark_in_a_path_is_part_of_it_unless_an_alteration_follows(address: str, base: str, rest: str) -> None:
    assert split(address) == (base, rest)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("m~4bits", "“4bits” is no variant of a model. Did you mean 4bit? Variants are: untrained, lora"),
        ("m~smaller", "“smaller” is no variant of a model. Variants are: untrained, lora"),
        ("m~", "“” is no variant of a model."),
        ("m~7bit", "“7bit” is no variant"),
        ("m~prune", "“prune” cannot be read. Write prune=0.5, with a share from 0 to less than 1;"),
        ("m~prune=1", "“prune=1” cannot be read."),
        ("m~prune=1,ffn", "“prune=1,ffn” cannot be read."),
        ("m~prune=-0.5", "“prune=-0.5” cannot be read."),
        ("m~prune=nan", "“prune=nan” cannot be read."),
        ("m~prune=1e-3", "“prune=1e-3” cannot be read."),
        ("m~4bit=symmetric", "“4bit=symmetric” cannot be read. Write 4bit, or 4bit=sym"),
        ("m~4bit=ffn,attention", "“4bit=ffn,attention” cannot be read."),
        ("m~4bit=ffn,ffn", "“4bit=ffn,ffn” cannot be read."),
        ("m~4bit=sym,sym", "“4bit=sym,sym” cannot be read."),
        ("m~4bit=,ffn", "“4bit=,ffn” cannot be read."),
        ("m~4bit=ffn,", "“4bit=ffn,” cannot be read."),
        ("m~4bit=mlp", "4bit=ffn or 4bit=sym,attention for the matrices of one part."),
        ("m~int8=sym", "“int8=sym” cannot be read. Write int8, or int8=ffn or int8=attention for the matrices of one"),
        (
            "m~prune=ffn",
            "“prune=ffn” cannot be read. Write prune=0.5, with a share from 0 to less than 1; prune=0.5,ffn",
        ),
        ("m~prune=0.5, ffn", "“prune=0.5, ffn” cannot be read."),
        ("m~bf16=ffn", "“bf16=ffn” cannot be read."),
        ("m~dropout=0.1,ffn", "“dropout=0.1,ffn” cannot be read."),
        ("m~shared=2,ffn", "“shared=2,ffn” cannot be read."),
        ("m~bf16=1", "“bf16=1” cannot be read. Write bf16, with nothing behind it."),
        ("m~bf16=", "“bf16=” cannot be read."),
        ("m~shared=0", "“shared=0” cannot be read."),
        ("m~untrained=x", "“untrained=x” cannot be read."),
        ("m~lora=", "“lora=” cannot be read."),
        ("m~4bit~4bit=sym", "“4bit” stands twice in “m~4bit~4bit=sym”"),
        ("m~4bit~untrained", "“untrained” stands behind other alterations in “m~4bit~untrained”"),
        ("m~bf16~fp16", "“m~bf16~fp16” names two precisions"),
        ("m" + "~4bit" * 9, "has more than 8 alterations"),
        ("m~" + "x" * 500, "x…” is no variant of a model."),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_would_do(name: str, says: str) -> None:
    with pytest.raises(Refused) as refused:
        read(name)
    assert says in str(refused.value)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_alteration_is_said_with_its_number(kind: str, language: str) -> None:
    values = {"prune": "0.3", "shared": "3", "dropout": "0.1", "lora": "legal", "untrained": "7"}
    one = Alteration(kind, values.get(kind, ""))
    shown = {"prune": "30", "untrained": "7"}.get(kind, one.value) or kind.removesuffix("bit").strip(
        "abcdefghiklmnopqrstuvwxyz"
    )
    with use_locale(language):
        assert shown in one.says or kind in ("bf16", "fp16", "int8")
        assert shown in one.short
        assert "{" not in one.says + one.short


def test_levels_around_0_are_told_from_levels_between_two_ends() -> None:
    plain, symmetric = Alteration("4bit"), Alteration("4bit", "sym")
    assert (plain.short, symmetric.short) == ("4 bits", "4 bits, symmetric")
    assert "least value" in plain.says
    assert "0 stays 0" in symmetric.says


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["int8", "4bit", "4bit=sym", "prune=0.5"])
def test_the_part_that_an_alteration_is_kept_to_is_said(name: str, language: str) -> None:
    one = read(f"m~{name}")[1][0]
    with use_locale(language):
        each = [one.of(part) for part in ("", *PARTS)]
        assert len({part.says for part in each}) == len({part.short for part in each}) == 3
        assert all("{" not in part.says + part.short for part in each)
        assert "FFN" in one.of("ffn").says
        assert "FFN" in one.of("ffn").short
        assert one.short in one.of("attention").short


def test_a_part_is_said_in_a_sentence() -> None:
    ffn, attention = read("m~3bit=ffn~prune=0.5,attention")[1]
    assert ffn.says.startswith("the matrices of the FFN in 3 bits: every 32 weights of a row share a scale")
    assert attention.says == (
        "the matrices of attention pruned: in each of them the 50 % of the weights that are nearest to 0 set to 0"
    )
    assert (ffn.short, attention.short) == ("3 bits (FFN)", "50 % pruned (attention)")


def test_what_an_alteration_is_made_of_is_told_apart() -> None:
    one = read("m~prune=0.5,attention")[1][0]
    assert (one.amount, one.part, one.symmetric) == (0.5, "attention", False)
    assert [str(one.of(part)) for part in ("", "ffn")] == ["prune=0.5", "prune=0.5,ffn"]
    bits = read("m~3bit=sym,ffn")[1][0]
    assert (bits.amount, bits.part, bits.symmetric) == (0, "ffn", True)
    assert [str(bits.of("")), str(bits.around_zero(False)), str(bits.of("").around_zero(False))] == [
        "3bit=sym",
        "3bit=ffn",
        "3bit",
    ]
    adapter = Alteration("lora", "ffn")
    assert (adapter.part, adapter.short) == ("", "adapter ffn")


@given(ALTERATIONS, st.sampled_from(["", *PARTS]))
def test_what_alters_matrices_and_nothing_else_is_kept_to_a_part(one: Alteration, part: str) -> None:
    if one.kind not in OF_MATRICES:
        with pytest.raises(ValueError, match="cannot be kept"):
            one.of(part)
        return
    kept = one.of(part)
    assert (kept.part, kept.amount, kept.symmetric) == (part, one.amount, one.symmetric)
    assert kept.of(one.part) == one


def test_what_has_no_levels_or_no_such_part_is_refused() -> None:
    with pytest.raises(ValueError, match="has no levels to choose"):
        Alteration("int8").around_zero(True)
    with pytest.raises(ValueError, match="cannot be kept to 'mlp'"):
        Alteration("int8").of("mlp")


def test_bytes_are_those_of_the_weights_that_come_out_as_others() -> None:
    counts = {"embedding": 100, "attention": 30, "ffn": 70, "norms": 5}
    needed = {
        "prune=0.5": 400,
        "4bit": 400,
        "prune=0.5~4bit": 400,
        "3bit=ffn": 280,
        "int8=attention": 120,
        "prune=0.5,ffn~3bit=sym,ffn": 280,
        "3bit=ffn~4bit=attention": 400,
        "3bit=ffn~prune=0.5": 400,
        "untrained~3bit=ffn": 820,
        "3bit=ffn~bf16": 690,
        "untrained": 820,
        "lora=a": 1220,
        "shared=2": 0,
        "noskip": 0,
        "bf16": 410,
        "untrained~bf16": 1230,
    }
    assert {name: new_bytes(counts, read(f"m~{name}")[1]) for name in needed} == needed


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("3bit", {"attention", "ffn"}),
        ("3bit=ffn", {"ffn"}),
        ("prune=0.5,attention", {"attention"}),
        ("prune=0,attention~int8=ffn", {"ffn"}),
        ("prune=0", set()),
        ("noskip~dropout=0.1~nonorm", set()),
        ("3bit=ffn~bf16", {"attention", "ffn"}),
        ("untrained", {"attention", "ffn"}),
    ],
)
def test_whose_weights_are_others_is_asked_of_each_part(name: str, parts: set[str]) -> None:
    made = read(f"m~{name}")[1]
    assert {part for part in PARTS if of_weights(made, part)} == parts
    assert of_weights(made) == bool(parts)


def test_what_is_no_matter_of_weights_is_changed_in_every_run() -> None:
    made = in_every_run(read("m~4bit~dropout=0.2~noskip~nonorm")[1], final_norm=True)
    dropped = [Intervention(site, "drop") for site in ("attn_skip", "ffn_skip", "attn_norm", "ffn_norm", "final_norm")]
    assert made == (
        Intervention("attn_out", "dropout", amount=0.2),
        Intervention("ffn_out", "dropout", amount=0.2),
        *dropped,
    )
    assert Intervention("final_norm", "drop") not in in_every_run(read("m~nonorm")[1], final_norm=False)


def test_variants_of_one_model_are_alike() -> None:
    assert variants.alike("m~4bit", "m")
    assert variants.alike("m~4bit", "m~untrained")
    assert not variants.alike("m~4bit", "n~4bit")
    assert not variants.alike("a~b", "a~c")  # two folders of the server
