"""Sentences that are written down before they are read."""

from anatomy.language import N_, use_locale
from anatomy.refused import Refused, Sentence

LONG = "This text has {count} tokens."


def test_sentences_of_the_same_words_and_values_are_equal():
    one = Sentence(LONG, count=3)
    assert one == Sentence(LONG, count=3)
    assert hash(one) == hash(Sentence(LONG, count=3))
    others = (Sentence(LONG, count=4), Sentence("Other words.", count=3), str(one), Refused(LONG, count=3))
    assert not [other for other in others if one == other]
    nested = Sentence("{why}", why=one)
    assert nested == Sentence("{why}", why=Sentence(LONG, count=3))


def test_a_sentence_is_said_in_the_language_of_its_reader():
    assert str(Refused(Sentence("{why}!", why=Sentence(LONG, count=3)))) == "This text has 3 tokens.!"
    with use_locale("zh"):
        assert str(Sentence(N_("Cancel"))) == "取消"
