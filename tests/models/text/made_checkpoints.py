"""Folders with a tokenizer's files, one for each way in which checkpoints have them: small, in the true formats."""

import io
import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import sentencepiece
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)
from transformers import BertConfig, GPT2Config, LlamaConfig, PreTrainedConfig, Qwen2Config, RobertaConfig, T5Config

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [("Ġ", "t"), ("h", "e"), ("Ġt", "he"), ("c", "a"), ("ca", "t"), ("Ã", "©")]
CONTROL = ("<|end|>", "<|start|>")
WORDS = ("the", "cat", "sat", "on", "mat", "and", "then", "café", "naïve", "北京", "hello", "ﬁne", "Ａｂ", "x``y''")
Build = Callable[[Path], None]


def byte_level(*, special: tuple[str, ...] = CONTROL, prefix: bool = False) -> Tokenizer:
    """Byte-level BPE with a few merges, control tokens at the end."""
    pieces = [*LETTERS, *("".join(pair) for pair in MERGES)]
    made = Tokenizer(models.BPE(vocab={piece: row for row, piece in enumerate(pieces)}, merges=MERGES))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(piece, normalized=False) for piece in special])
    return made


def composing() -> Tokenizer:
    """Qwen2's steps: composed accents, its pattern, bytes."""
    made = byte_level()
    made.normalizer = normalizers.NFC()
    words = pre_tokenizers.Split(Regex(r"\p{N}| ?\p{L}+|\s+|[^\s\p{L}\p{N}]+"), "isolated")
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.pre_tokenizer = pre_tokenizers.Sequence([words, letters])
    return made


def word_pieces(*, lower: bool = True) -> Tokenizer:
    """BERT's steps."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz[]<>|/.`'"]
    pieces += ["the", "cat", "##s", *(f"##{letter}" for letter in "abcdefghijklmnopqrtuvwxyz"), "cafe", "北", "京"]
    made = Tokenizer(models.WordPiece({piece: row for row, piece in enumerate(pieces)}, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=lower)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [("[CLS]", 2), ("[SEP]", 3)]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    made.add_special_tokens(pieces[:5])
    return made


def unigram() -> Tokenizer:
    """Pieces with weights, ▁ for a space; neither the unknown piece nor </s> is an added token."""
    scores = [("<unk>", 0.0), ("</s>", 0.0), ("▁the", -1.0), ("▁cat", -1.5), ("▁", -3.0)]
    made = Tokenizer(models.Unigram([*scores, *((letter, -4.0) for letter in "abcdefghijklmnopqrstuvwxyz")], unk_id=0))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    return made


def meta_space() -> Tokenizer:
    """Llama 2's steps: ▁ for a space, bytes for what has no entry."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *"▁thecab", "▁t", "he", "▁the"]
    vocabulary = {piece: row for row, piece in enumerate(pieces)}
    merges = [("▁", "t"), ("h", "e"), ("▁t", "he")]
    made = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    made.decoder = decoders.Sequence(steps)
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    return made


def words() -> Tokenizer:
    """Whole words only, cut at spaces: control tokens are words of the vocabulary."""
    made = Tokenizer(models.WordLevel({"<unk>": 0, "</s>": 1, "the": 2, "cat": 3}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.add_special_tokens(["<unk>", "</s>"])
    return made


@cache
def sentence_pieces(kind: str, **settings: object) -> bytes:
    """A SentencePiece model, trained on a few words."""
    chance, made = random.Random(0), io.BytesIO()
    lines = [" ".join(chance.choice(WORDS) for _ in range(8)) for _ in range(300)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=made,
        vocab_size=310 if settings.get("byte_fallback") else 60,
        hard_vocab_limit=False,
        model_type=kind,
        minloglevel=2,
        **settings,
    )
    return made.getvalue()


def write(config: PreTrainedConfig, tokenizer: Tokenizer | None = None, **files: object) -> Build:
    """Writes config.json, tokenizer.json and others by name (a dot is written __): JSON, text or bytes."""

    def build(folder: Path) -> None:
        config.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save(str(folder / "tokenizer.json"))
        for name, content in files.items():
            file = folder / name.replace("__", ".")
            if isinstance(content, bytes):
                file.write_bytes(content)
            else:
                file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")

    return build


def _untyped(build: Build) -> Build:
    """The same as older tools wrote it: the model has no "type"."""

    def changed(folder: Path) -> None:
        build(folder)
        facts = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        del facts["model"]["type"]
        (folder / "tokenizer.json").write_text(json.dumps(facts), "utf-8")

    return changed


def _cut_and_filled() -> Tokenizer:
    made = word_pieces()
    made.enable_truncation(4)
    made.enable_padding(length=12)
    return made


def _added(**change: object) -> dict[str, object]:
    return {"content": "<think>", "lstrip": False, "normalized": False, "rstrip": False, "single_word": False} | change


FAST = {"tokenizer_class": "PreTrainedTokenizerFast"}
_VOCABULARY = {piece: row for row, piece in enumerate([*LETTERS, *("".join(pair) for pair in MERGES), "<|endoftext|>"])}
_MERGES = "#version: 0.2\n" + "\n".join(" ".join(pair) for pair in MERGES)
_END = byte_level(special=("<|endoftext|>",))


def _with_added(**change: object) -> Build:
    rows = {str(_END.get_vocab_size()): _added(**change)}
    return write(GPT2Config(), _END, tokenizer_config__json=FAST | {"added_tokens_decoder": rows})


def _saved() -> Iterator[tuple[str, Build]]:
    gpt2, llama, qwen, bert, t5 = GPT2Config(), LlamaConfig(), Qwen2Config(), BertConfig(), T5Config()
    yield "byte-level BPE", write(gpt2, byte_level(), tokenizer_config__json=FAST)
    yield "byte-level BPE without settings", write(gpt2, byte_level())
    yield "byte-level BPE without a config", lambda folder: byte_level().save(str(folder / "tokenizer.json"))
    yield "byte-level BPE without a type", _untyped(write(gpt2, _END))
    yield "byte-level BPE with a space before", write(gpt2, byte_level(prefix=True), tokenizer_config__json=FAST)
    for prefix in (True, False):
        settings = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": prefix}
        yield f"GPT-2's class, add_prefix_space {prefix}", write(gpt2, _END, tokenizer_config__json=settings)
    files = {"vocab__json": _VOCABULARY, "merges__txt": _MERGES}
    yield "GPT-2's vocab.json and merges.txt", write(gpt2, **files)
    yield "GPT-2's slow files, a first token", write(gpt2, **files, tokenizer_config__json={"add_bos_token": True})
    yield (
        "RoBERTa's class",
        write(RobertaConfig(), _END, tokenizer_config__json={"tokenizer_class": "RobertaTokenizer"}),
    )
    yield "Qwen2's class", write(qwen, composing(), tokenizer_config__json={"tokenizer_class": "Qwen2Tokenizer"})
    yield "Qwen2's vocab.json and merges.txt", write(qwen, **files)
    yield "an added token in tokenizer_config.json", _with_added()
    for change in ("special", "normalized", "lstrip", "rstrip", "single_word"):
        yield f"an added token in tokenizer_config.json, {change}", _with_added(**{change: True})
    yield "added_tokens.json", write(gpt2, _END, tokenizer_config__json=FAST, added_tokens__json={"<think>": 263})
    named = {"additional_special_tokens": ["<think>"], "pad_token": "<pad>"}
    yield "special_tokens_map.json", write(gpt2, _END, special_tokens_map__json=named)
    split = FAST | {"split_special_tokens": True}
    yield "split_special_tokens", write(gpt2, byte_level(), tokenizer_config__json=split)
    yield "WordPiece", write(bert, word_pieces(), tokenizer_config__json=FAST)
    yield "WordPiece, cut and filled up", write(bert, _cut_and_filled(), tokenizer_config__json=FAST)
    yield "WordPiece without a type", _untyped(write(bert, word_pieces()))
    for lower in (True, False):
        settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": lower}
        yield f"BERT's class, do_lower_case {lower}", write(bert, word_pieces(), tokenizer_config__json=settings)
        pieces = sorted(word_pieces().get_vocab().items(), key=lambda item: item[1])
        lines = "\n".join(piece for piece, _ in pieces)
        yield f"BERT's vocab.txt, do_lower_case {lower}", write(bert, vocab__txt=lines, tokenizer_config__json=settings)
    yield "WordLevel", write(gpt2, words(), tokenizer_config__json=FAST)
    yield "Unigram", write(t5, unigram(), tokenizer_config__json=FAST)
    yield "Unigram without a type", _untyped(write(t5, unigram()))
    yield (
        "T5's spiece.model",
        write(t5, spiece__model=sentence_pieces("unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)),
    )
    yield "Llama 2's steps", write(llama, meta_space(), tokenizer_config__json=FAST)
    for first in (True, False):
        settings = {"tokenizer_class": "LlamaTokenizer", "legacy": first, "add_bos_token": first}
        yield f"Llama's class, legacy {first}", write(llama, meta_space(), tokenizer_config__json=settings)
        pieces = sentence_pieces("bpe", byte_fallback=True, normalization_rule_name="identity", split_digits=True)
        yield (
            f"Llama's tokenizer.model, {first}",
            write(llama, tokenizer__model=pieces, tokenizer_config__json=settings),
        )
    yield "Llama 3's steps", write(llama, byte_level(), tokenizer_config__json={"tokenizer_class": "LlamaTokenizer"})
    plain = sentence_pieces("unigram")
    yield "a tokenizer.model of no class", write(llama, tokenizer__model=plain, tokenizer_config__json=FAST)


CHECKPOINTS: dict[str, Build] = dict(_saved())
TEXTS = (
    "the cat sat.",
    " The  CATS\n\tthe cat ",
    "café cafe\u0301 naïve ﬁne Ａｂ ½",
    "\u1112\u1161\u11ab\u1100\u1173\u11af 北京",
    "👩‍👩‍👧 and 👍🏽",
    "a\x00b\x07\u200b\ufeff\ufffd",
    "x <think>y</think> z<think> a<think>b <think> ",
    "a <|end|>b<|endoftext|> [SEP] [MASK]x</s> <s> <unk> <pad>",
    "``don't''",
    "7",
    "\u0301",
    " ",
    "",
)
