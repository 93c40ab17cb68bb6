"""What a page remembers, by the rules of Streamlit's script."""

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from bench import lost
from bench.lost import Tally
from bench.remembered import Remembered


def session(age: int) -> bytes:
    message = ForwardMsg()
    message.new_session.config.max_cached_message_age = age
    return message.SerializeToString()


def large(name: str, part: str = "") -> bytes:
    message = ForwardMsg(hash=name)
    message.metadata.cacheable = True
    message.delta.fragment_id = part
    message.delta.new_element.markdown.body = f"figure {name}"
    return message.SerializeToString()


def naming(name: str) -> bytes:
    message = ForwardMsg(ref_hash=name)
    message.metadata.delta_path.append(7)
    return message.SerializeToString()


def over(*parts: str, status: "ForwardMsg.ScriptFinishedStatus.ValueType" = ForwardMsg.FINISHED_SUCCESSFULLY) -> bytes:
    message = ForwardMsg(script_finished=status)
    message.metadata.run.fragment_ids.extend(parts)
    return message.SerializeToString()


@pytest.fixture
def memory() -> Remembered:
    """A page's, which remembers a message for two runs; it has been sent one that is large, and one that is not."""
    memory = Remembered()
    for data in (session(2), large("a"), ForwardMsg(hash="small").SerializeToString()):
        memory.read(data)
    return memory


def test_a_large_message_is_known_by_its_name_and_comes_back_at_its_new_place(memory):
    assert memory.names == ("a",)
    found = memory.read(naming("a"))
    assert found.delta.new_element.markdown.body == "figure a"
    assert list(found.metadata.delta_path) == [7]
    assert (memory.held, memory.lost) == (1, [])


def test_it_is_forgotten_after_so_many_runs_and_its_name_is_lost(memory):
    for _run in range(2):
        memory.read(over())
    assert memory.names == ("a",)
    memory.read(over())
    assert memory.names == ()
    assert memory.read(naming("a")) is None
    assert memory.lost == ["a"]


def test_whoever_is_named_stays(memory):
    for _run in range(9):
        memory.read(naming("a"))
        memory.read(over())
    assert memory.names == ("a",)


def test_runs_of_a_part_count_and_let_only_what_it_drew_be_forgotten(memory):
    memory.read(large("b", part="p"))
    for _run in range(3):
        memory.read(over("p", status=ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY))
    assert memory.names == ("a",)
    memory.read(over("q", status=ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY))
    assert memory.names == ("a",)
    memory.read(over())
    assert memory.names == ()


def test_a_run_that_another_one_replaced_does_not_count(memory):
    for _run in range(5):
        memory.read(over(status=ForwardMsg.FINISHED_EARLY_FOR_RERUN))
    assert (memory.runs, memory.names) == (0, ("a",))


def test_its_line_has_its_columns():
    row = dict(zip(lost.COLUMNS, Tally(2, 201, 50, 240, 600, 6, 6).row, strict=True))
    assert (row["views"], row["lost"]) == (201, 6)
