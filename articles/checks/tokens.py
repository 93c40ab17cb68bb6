"""Claims on tokenization: sub-words, kinds of tokenizers, words outside the vocabulary, languages, sizes."""

from collections import Counter
from dataclasses import dataclass

from anatomy.language import N_, _, ngettext
from anatomy.published import LLAMA_31
from anatomy.trace import Trace
from articles.verdict import Case, Verdict
from viz import nouns
from viz.format import listed, number, quoted, thousands
from viz.tokens import PART, WHOLE, cut

_LONG_WORD = "unbelievability"
_RARE = "zyxqwert naïveté Жираф 汉字 עברית 🜚"  # made up, accents, three scripts, a sign that few vocabularies hold
_UNTIDY = "TEXT  Ça  ﬁne"  # capitals, two spaces, a cedilla, a ligature
# One sentence in scripts and languages of several kinds.
LANGUAGES = (
    (N_("English"), "The cat sleeps."),
    (N_("German"), "Die Katze schläft."),
    (N_("Russian"), "Кошка спит."),
    (N_("Arabic"), "القطة تنام."),
    (N_("Hindi"), "बिल्ली सोती है।"),
    (N_("Chinese"), "猫在睡觉。"),
)
_LLAMA_2 = 32_000  # entries of the vocabulary (Touvron et al. 2023, sec. 2.2)
_LLAMA_3 = LLAMA_31[0].configuration.vocab


def subwords(case: Case) -> Verdict:
    """Tokens that are longer than a character and shorter than a word: on the text, and on a long word."""
    own, probe = case.trace(), case.other(_LONG_WORD)
    kinds = cut(own.text, own.tokens).kinds
    whole, part, between = kinds.count(WHOLE), kinds.count(PART), len(_between(own)) + len(_between(probe))
    sentences = [
        _(
            "Tokens of your text that hold a whole word: {whole}; that hold a part of one: {part}.",
            whole=thousands(whole),
            part=thousands(part),
        ),
        _("{word} is cut into {pieces}.", word=quoted(_LONG_WORD), pieces=_pieces(probe)),
    ]
    if not between:
        sentences.append(_("No token is longer than a character and shorter than a word."))
    return Verdict(
        "holds" if between else "not",
        " ".join(sentences),
        how=_("Tokens against the words that they cover; counted: longer than a character, shorter than their word."),
        value=between,
        unit="tokens",
        second=_("A second text, {text}, was cut by the same tokenizer.", text=quoted(_LONG_WORD)),
    )


def _between(trace: Trace) -> list[str]:
    """The tokens that are longer than a character and shorter than the word they are in."""
    kinds = cut(trace.text, trace.tokens).kinds
    parts = [token for token, kind in zip(trace.tokens, kinds, strict=True) if kind == PART]
    return [token.label for token in parts if token.text is not None and len(token.text.strip()) > 1]


def _pieces(trace: Trace) -> str:
    """The vocabulary's own spelling of a text, piece by piece."""
    return " · ".join(token.piece for token in trace.tokens if token.start < token.end)


def wordpiece(case: Case) -> Verdict:
    """The kind of tokenizer that the checkpoint's own file names."""
    kind = case.spec.tokenizer
    how = _("The tokenizer's own file says what kind it is.")
    pieces = _pieces(case.other(_LONG_WORD))
    second = _("A second text, {text}, was cut by the same tokenizer.", text=quoted(_LONG_WORD))
    if not kind:
        sentence = _(
            "This tokenizer does not say what kind it is; it cuts {word} into {pieces}.",
            word=quoted(_LONG_WORD),
            pieces=pieces,
        )
        return Verdict("unseen", sentence, how=how, second=second)
    if kind == "WordPiece":
        sentence = _(
            "BERT's tokenizer is WordPiece, and so is this model's: it cuts {word} into {pieces}.",
            word=quoted(_LONG_WORD),
            pieces=pieces,
        )
        return Verdict("holds", sentence, how=how, second=second)
    sentence = _(
        "BERT's tokenizer is WordPiece, as said; this model is not of that family. Its own is {kind}: it cuts {word} "
        "into {pieces}.",
        kind=kind,
        word=quoted(_LONG_WORD),
        pieces=pieces,
    )
    return Verdict("not", sentence, how=how, second=second)


def special_token(case: Case) -> Verdict:
    """Whether the pieces of a word are control tokens; and whether words that cannot be spelled become one."""
    pieces, rare = case.other(_LONG_WORD), case.other(_RARE)
    among = sum(token.special for token in pieces.tokens if token.start < token.end)
    unknown = [token.piece for token in rare.tokens if token.special and token.start < token.end]
    spelled = ngettext(
        "{word} becomes {pieces}, with {count} special token among them.",
        "{word} becomes {pieces}, with {count} special tokens among them.",
        among,
        word=quoted(_LONG_WORD),
        pieces=_pieces(pieces),
    )
    if among:
        kind, rest = "holds", _("Here control tokens take the place of a word.")
    elif unknown:
        kind = "part"
        rest = _(
            "Pieces are ordinary rows of the vocabulary, and the spelling alone says which of them go on with a word. "
            "What the vocabulary cannot spell does become a special token: {unknown}.",
            unknown=quoted(unknown[0]),
        )
    else:
        kind = "not"
        rest = _(
            "Pieces are ordinary rows of the vocabulary, and nothing that was tried became a special token. In BERT "
            "pieces are ordinary rows too, those that go on with a word are written with ##."
        )
    return Verdict(
        kind,
        f"{spelled} {rest}",
        how=_("Control tokens among the pieces that cover characters of the text."),
        value=among + len(unknown),
        unit="tokens",
        second=_("Two texts, {first} and {second}, were cut.", first=quoted(_LONG_WORD), second=quoted(_RARE)),
    )


def out_of_vocabulary(case: Case) -> Verdict:
    """Words that no vocabulary holds as a whole: which of them reach the model, and which become an unknown token."""
    trace = case.other(_RARE)
    gone = missed(trace)
    total = len(_RARE.split())
    known = total - len(gone)
    if not gone:
        sentence = ngettext(
            "All {total} probe words, some of them made up or in other scripts, are spelled by pieces without an "
            "unknown token: {count} token in all.",
            "All {total} probe words, some of them made up or in other scripts, are spelled by pieces without an "
            "unknown token: {count} tokens in all.",
            len(trace.tokens),
            total=total,
        )
    else:
        sentence = _(
            "{known} of {total} probe words are spelled by pieces; these are not: {missed}. A tokenizer of bytes "
            "spells any text.",
            known=known,
            total=total,
            missed=listed(map(quoted, gone)),
        )
    return Verdict(
        "holds" if not gone else "part" if known else "not",
        sentence,
        how=_("Probe words with a character that no token covers, or that an unknown token stands for."),
        value=len(gone),
        unit="words",
        second=_("A second text was cut by the same tokenizer: {text}.", text=quoted(_RARE)),
    )


def missed(trace: Trace) -> list[str]:
    """The words of a text, as spaces part them, that a special token stands for or of which a character is lost."""
    gone = {place for token in trace.tokens if token.special for place in range(token.start, token.end)}
    gone |= {place for place, character in enumerate(trace.text) if character in trace.lost}
    words, start = [], 0
    for word in trace.text.split():
        start = trace.text.index(word, start)
        if gone & set(range(start, start + len(word))):
            words.append(word)
        start += len(word)
    return words


@dataclass(frozen=True)
class _Language:
    """One sentence in one language: tokens per character that is not white space, and whether all of it was spelled."""

    name: str
    rate: float
    whole: bool


def languages(case: Case) -> Verdict:
    """The same sentence in six languages: is it spelled, and in how many tokens per character?"""
    tried = [_language(name, case.other(text)) for name, text in LANGUAGES]
    lost = [language.name for language in tried if not language.whole]
    dearest, english = max(tried, key=lambda language: language.rate), tried[0]
    rates = _(
        "A sentence takes {english} tokens per character in {first} and {most} in {dearest}.",
        english=number(english.rate, 2),
        first=_(english.name),
        most=number(dearest.rate, 2),
        dearest=_(dearest.name),
    )
    spelled = (
        _("Not spelled without an unknown token: {languages}.", languages=listed(map(_, lost)))
        if lost
        else _("All {count} languages that were tried are spelled.", count=len(tried))
    )
    return Verdict(
        "holds" if not lost else "part" if len(lost) < len(tried) else "not",
        f"{spelled} {rates}",
        how=_("Tokens per character that is not white space; the largest over the languages against that of English."),
        value=dearest.rate / english.rate if english.rate else None,
        unit="ratio",
        second=ngettext(
            "{count} short text, one per language, was cut by the same tokenizer.",
            "{count} short texts, one per language, were cut by the same tokenizer.",
            len(tried),
        ),
    )


def _language(name: str, trace: Trace) -> _Language:
    covering = [token for token in trace.tokens if token.start < token.end]
    characters = sum(not character.isspace() for character in trace.text)
    return _Language(name, len(covering) / characters, not missed(trace))


def fewer_tokens(case: Case) -> Verdict:
    """Characters per token of the reader's text: what cutting spares the layers above."""
    trace = case.trace()
    tokens = sum(token.start < token.end for token in trace.tokens) or len(trace.tokens)
    rate = len(trace.text) / tokens
    sentence = _(
        "Your text has {characters} and {tokens}: {rate} characters per token.",
        characters=nouns.characters(len(trace.text)),
        tokens=nouns.tokens(tokens),
        rate=number(rate, 2),
    )
    if rate > 1:
        rest = _(
            "With a token per character every layer would handle {rate} times as many vectors, and attention {square} "
            "times as many pairs.",
            rate=number(rate, 2),
            square=number(rate**2, 2),
        )
    else:
        rest = _("Nothing is spared here: characters would be no more than the tokens are.")
    return Verdict(
        "holds" if rate > 1 else "not",
        f"{sentence} {rest}",
        how=_("Characters of the text divided by its tokens."),
        value=rate,
        unit="characters per token",
    )


def vocabulary(case: Case) -> Verdict:
    """The loaded vocabulary beside those of Llama 2 and Llama 3."""
    trace, size = case.trace(), case.spec.vocab
    rate = len(trace.tokens) / max(1, len(trace.text))
    sentence = _(
        "Published are {two} entries for Llama 1 and 2 and {three} for Llama 3 and 3.1, as said. The model that is "
        "loaded has {size}; your text takes {rate} tokens per character.",
        size=thousands(size),
        two=thousands(_LLAMA_2),
        three=thousands(_LLAMA_3),
        rate=number(rate, 2),
    )
    if size >= _LLAMA_3:
        kind, rest = "holds", _("Its vocabulary is as large as Llama 3's.")
    elif size > _LLAMA_2:
        kind, rest = "part", _("Its vocabulary is larger than that of Llama 2 and smaller than that of Llama 3.")
    else:
        kind, rest = "not", _("Its vocabulary is no larger than that of Llama 2.")
    how = _("Rows of the embedding table; the sizes of the Llamas from their published configurations.")
    return Verdict(kind, f"{sentence} {rest}", how=how, value=size, unit="tokens")


def cleaned(case: Case) -> Verdict:
    """Whether the tokenizer changes what was written before it cuts it: letters of a text that do not come out."""
    trace = case.other(_UNTIDY)
    spelled = b"".join(token.bytes for token in trace.tokens if not token.special).decode("utf-8", "ignore")
    before = Counter(character for character in _UNTIDY if not character.isspace())
    changed = sum((before - Counter(spelled)).values())
    sentence = (
        ngettext(
            "This tokenizer rewrites before it cuts: of {text} it reads {spelled}, {count} character changed.",
            "This tokenizer rewrites before it cuts: of {text} it reads {spelled}, {count} characters changed.",
            changed,
            text=quoted(_UNTIDY),
            spelled=quoted(spelled.strip()),
        )
        if changed
        else _("This tokenizer reads every letter as it was written: capitals, accents and ligatures stay.")
    )
    rest = _("What was taken out of the training texts cannot be seen in a forward pass.")
    return Verdict(
        "part" if changed else "not",
        f"{sentence} {rest}",
        how=_("Characters of an untidy text that the bytes of its tokens do not spell; white space left aside."),
        value=changed,
        unit="characters",
        second=_("A second text, {text}, was cut by the same tokenizer.", text=quoted(_UNTIDY)),
    )
