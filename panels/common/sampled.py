"""How the next token is drawn, as the sliders say: what the sampling panel shows, and what the page goes on with."""

from anatomy.sampling import Settings
from anatomy.view import View
from panels.common.shared import MIN_P, PENALTY, TEMPERATURE, TOP_K, TOP_P


def settings(view: View) -> Settings:
    """What the sliders say."""
    return Settings(view[PENALTY], view[TEMPERATURE], int(view[TOP_K]), view[TOP_P], view[MIN_P])
