"""Texts to begin with: what each is for, and the text."""

from anatomy.language import N_
from anatomy.view import DEFAULT_TEXT

EXAMPLES: dict[str, str] = {
    N_("Capital cities"): DEFAULT_TEXT,
    N_("Repeated pattern"): "one blue two green six red one blue two green six",
    N_("Medicine"): "The patient was given insulin because the level of sugar in her blood was too",
    N_("Law"): "The tenant shall pay the rent to the landlord on the first day of each",
    N_("Finance"): "When interest rates rise, the price of a bond usually",
    N_("Code"): "def add(a, b):\n    return a + b\n\ndef subtract(a, b):\n    return a",
    N_("Chinese · 首都"): "法国的首都是巴黎，德国的首都是",
    N_("Chinese · 医疗"): "患者血糖过高，医生建议每天注射",
    N_("One word, three times"): "the the the",
}

# Two texts that differ in one thing, for two runs beside each other.
PAIRS: dict[str, tuple[str, str]] = {
    N_("Who gives, who gets"): (
        "When Mary and John went to the store, John gave a drink to",
        "When Mary and John went to the store, Mary gave a drink to",
    ),
    N_("A fact, another country"): ("The capital of France is", "The capital of Italy is"),
    N_("A pattern, broken once"): (
        "one blue two green six red one blue two green six",
        "one blue two green six red one blue ten green six",
    ),
    N_("Good or bad"): (
        "The film was good, and when it ended the audience began to",
        "The film was bad, and when it ended the audience began to",
    ),
}
