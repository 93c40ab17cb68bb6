"""What Streamlit's page remembers of the messages it got, and when it forgets them: rules of its script, in Python.

The server marks large messages as worth remembering. A request names those that the page still has; in their place the
server sends their names. The page forgets a message that is older than so many runs (`global.maxCachedMessageAge`), at
the end of a run: of the whole page, or of a part, which lets only what that part drew be forgotten. A request that is
on its way meanwhile still names it, and then a figure is missing: a message is lost.
"""

from dataclasses import dataclass, field

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

_COUNTED = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)


@dataclass
class _Kept:
    """A message, when it came, in runs, and which part of the page drew it ("": the page)."""

    data: bytes
    since: int
    part: str


@dataclass
class Remembered:
    """One page's memory.

    age   in runs, that a message may have; the server says it when a session begins
    runs  of the page and of its parts, so far
    held  messages that were named and still there
    lost  names of messages that were not
    """

    age: int = 0
    runs: int = 0
    held: int = 0
    lost: list[str] = field(default_factory=list)
    _messages: dict[str, _Kept] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What a request says that the page has."""
        return tuple(self._messages)

    def read(self, data: bytes) -> ForwardMsg | None:
        """The message that came, or the one that it names; None where that was forgotten."""
        message = ForwardMsg.FromString(data)
        if message.WhichOneof("type") == "ref_hash":
            return self._named(message)
        if message.metadata.cacheable and message.hash and message.hash not in self._messages:
            self._messages[message.hash] = _Kept(data, self.runs, message.delta.fragment_id)
        if message.WhichOneof("type") == "new_session":
            self.age = message.new_session.config.max_cached_message_age
        elif message.WhichOneof("type") == "script_finished" and message.script_finished in _COUNTED:
            self._ran(tuple(message.metadata.run.fragment_ids))
        return message

    def _named(self, message: ForwardMsg) -> ForwardMsg | None:
        kept = self._messages.get(message.ref_hash)
        if kept is None:
            self.lost.append(message.ref_hash)
            return None
        kept.since = self.runs
        self.held += 1
        original = ForwardMsg.FromString(kept.data)
        original.metadata.CopyFrom(message.metadata)
        return original

    def _ran(self, parts: tuple[str, ...]) -> None:
        """A run is over. parts: those that it drew; none: it drew the page."""
        self.runs += 1
        for name, kept in list(self._messages.items()):
            if self.runs - kept.since > self.age and (not parts or kept.part in parts):
                del self._messages[name]
