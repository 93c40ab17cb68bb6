"""What goes wrong with a checkpoint, as sentences that say what happened and what to do next."""

from anatomy.refused import Refused, Settled


class WeightsError(Refused):
    """A checkpoint cannot be had or used; the message is for the reader, no traceback is needed."""


class NoSuchName(WeightsError, Settled):
    """No checkpoint is called so."""


class NotHereYet(WeightsError):
    """The checkpoint is known, but it would have to be fetched or converted first."""
