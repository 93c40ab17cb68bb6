"""Names of vocabulary ids: every id that an array mentions has a label, and it travels with the trace."""

import pytest

from anatomy import wire
from anatomy.request import Run
from anatomy.trace import Token, Trace
from tests.anatomy.spec import SPEC

TRACE = Trace(Run(SPEC.id, "a"), SPEC, (Token(5, "a", "a", b"a", 0, 1),), {}, {7: "·seven", 5: "five"})


def test_a_name_given_by_the_engine_comes_first_and_the_texts_own_tokens_have_their_labels():
    assert (TRACE.name(7), TRACE.name(5)) == ("·seven", "five")
    assert Trace(TRACE.run, SPEC, TRACE.tokens, {}).name(5) == "a"


def test_an_id_without_a_name_is_an_error_that_says_who_gives_it():
    with pytest.raises(KeyError, match="no name for token id 8: the engine has to give one"):
        TRACE.name(8)


def test_names_add_up_and_cannot_be_changed():
    more = TRACE.plus({}, {8: "eight"})
    assert dict(more.names) == {7: "·seven", 5: "five", 8: "eight"}
    with pytest.raises(TypeError):
        more.names[9] = "nine"


def test_names_travel():
    assert wire.unpack(wire.pack(TRACE)).names == TRACE.names
