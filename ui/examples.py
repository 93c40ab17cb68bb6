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
