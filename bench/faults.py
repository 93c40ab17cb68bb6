"""Faults made by hand: one wrong place each, and the tests that have to turn red. For `bench.mutations`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A change to one file, and who should notice.

    name    what is wrong, in a few words
    file    path in the repository
    right   the text as it is, which stands there once
    wrong   the text that takes its place
    tests   what pytest is given: folders, files or single tests
    alike   why nothing can notice it, where the change leaves (nearly) every number as it was; else empty
    """

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...]
    alike: str = ""


_READING = ("tests/models/reading", "tests/models/local/test_long.py")
_MEASURES = ("tests/models/measures", "tests/models/local/test_parity.py")
_MOVED = (*_MEASURES, "tests/models/loaded/test_projections.py")
_PASSAGE = tuple(f"tests/panels/stack/test_passage{part}.py" for part in ("", "_paths", "_words"))
_DESCRIPTIONS = ("tests/viz/test_descriptions.py",)
_FACTS = ("tests/models/identities/test_facts.py",)
_VERDICTS = ("tests/articles/test_arithmetic.py", "tests/articles/test_verdicts.py")

FAULTS = (
    # How a run is read
    Fault(
        "one head reads another group's keys",
        "models/reading/attended.py",
        "self.key[head // group, None]",
        "self.key[head % len(self.key), None]",
        _READING,
    ),
    Fault(
        "a scale of the model's own is overlooked",
        "models/reading/attended.py",
        "self.query.shape[-1] ** -0.5 if self.scaling is None else self.scaling",
        "self.query.shape[-1] ** -0.5",
        _READING,
    ),
    Fault("a token sees the next one", "models/reading/attended.py", ".triu_(1)", ".triu_(2)", _READING),
    Fault(
        "entropy with the wrong sign",
        "models/reading/attended.py",
        "self.totals.log().sum(-1) - torch",
        "self.totals.log().sum(-1) + torch",
        _MEASURES,
    ),
    Fault(
        "tiles are not divided by their totals",
        "models/reading/attended.py",
        "weights *= totals.reciprocal()[..., None]",
        "weights *= totals.clamp(max=1.0)[..., None]",
        _READING,
    ),
    Fault(
        "a layer runs again with another layer's arguments",
        "models/reading/layer_inputs.py",
        "call = self.calls[number].on(stream)",
        "call = self.calls[max(number - 1, 0)].on(stream)",
        _READING,
    ),
    Fault(
        "the thinned stream of the wrong layer is kept",
        "models/reading/layer_inputs.py",
        "self._latest[layer] = stream",
        "self._latest[known[-1]] = stream",
        _READING,
    ),
    Fault(
        "a part of the wrong layer is left out",
        "models/reading/interventions.py",
        "if _place(made.intervention) == (site, layer))",
        "if made.intervention.site == site)",
        ("tests/models/reading/test_interventions.py",),
    ),
    Fault(
        "changed places are not handed on",
        "models/reading/interventions.py",
        'kwargs | {"position_ids": _moved(kwargs["position_ids"])}',
        "kwargs",
        ("tests/models/reading/test_interventions.py",),
    ),
    # What is measured in it
    Fault(
        "another head's values in a pooled contribution",
        "models/measures/collect.py",
        "moved.by(tile.weights, tile.first, want.head)",
        "moved.by(tile.weights, tile.first, 0)",
        _READING,
    ),
    Fault(
        "values of another group in a contribution",
        "models/measures/value_weighted.py",
        "head_factors(loaded, layer).unflatten(0, (len(values), -1))",
        "head_factors(loaded, layer).unflatten(0, (-1, len(values))).transpose(0, 1)",
        _MOVED,
    ),
    Fault(
        "lengths of values by the weights of before",
        "models/loaded/projections.py",
        "if factors is None or held != now:",
        "if factors is None:",
        _MOVED,
    ),
    Fault(
        "attention that writes nothing moves something",
        "models/measures/value_weighted.py",
        "None if shares is None else shares.abs()",
        "None",
        _MOVED,
    ),
    Fault(
        "the first token's contribution is an arc",
        "models/measures/attention_reducers.py",
        "brought[:, :, 0] = 0.0",
        "brought[:, :, :0] = 0.0",
        _MEASURES,
    ),
    Fault(
        "a token's own contribution is an arc of later tiles",
        "models/measures/attention_reducers.py",
        "brought.diagonal(tile.first, 1, 2).zero_()",
        "brought.diagonal(0, 1, 2).zero_()",
        _MEASURES,
    ),
    Fault(
        "the last bits decide between equal heads",
        "models/measures/attention_reducers.py",
        "heads = _first(by_head >= least, 0)",
        "heads = by_head.argmax(0)",
        _MEASURES,
    ),
    Fault(
        "the last bits decide between equal sources",
        "models/measures/attention_reducers.py",
        "sources = _first(brought[heads, each] >= least[:, None], 1)",
        "sources = brought[heads, each].argmax(1)",
        _MEASURES,
    ),
    Fault(
        "the layer before is read as the lens",
        "models/loaded/readout.py",
        "inputs.stream(layer + 1)[places] for layer in some",
        "inputs.stream(layer)[places] for layer in some",
        ("tests/models/loaded/test_readout.py", *_MEASURES),
    ),
    Fault(
        "the lens forgets the final norm",
        "models/loaded/readout.py",
        "rows if self._norm is None else self._norm(rows)",
        "rows",
        ("tests/models/loaded/test_readout.py", *_MEASURES),
    ),
    Fault(
        "surprisal of the token itself",
        "models/measures/lens.py",
        "context.last[[place - 1 for place in chunk]]",
        "context.last[[place for place in chunk]]",
        _MEASURES,
    ),
    Fault(
        "the divergence the other way round",
        "models/measures/lens.py",
        "(p * (final - lens)).sum(-1)",
        "(lens.exp() * (lens - final)).sum(-1)",
        _MEASURES,
    ),
    Fault(
        "ranks count from 0",
        "models/measures/lens.py",
        "(logp > column[:, None]).sum(-1) + 1",
        "(logp > column[:, None]).sum(-1)",
        _MEASURES,
    ),
    Fault(
        "half precision is compared the other way round",
        "models/measures/rerun.py",
        "(p.exp() * (p - logits.float().log_softmax(dim=-1))).sum(-1)",
        "(logits.float().softmax(dim=-1) * (logits.float().log_softmax(dim=-1) - p)).sum(-1)",
        ("tests/models/measures/test_rerun.py",),
    ),
    Fault(
        "a head's own place counts as a copy",
        "models/measures/attention_reducers.py",
        "copies.diagonal(first).zero_()",
        "copies.diagonal(first).clamp_(min=0)",
        ("tests/models/measures/test_attention_reducers.py",),
    ),
    Fault(
        "local heads look one token less far",
        "models/measures/attention_reducers.py",
        ".tril_(first + LOCAL)",
        ".tril_(first + LOCAL - 1)",
        ("tests/models/measures/test_attention_reducers.py",),
    ),
    Fault(
        "the final norm's divisor without its ε",
        "models/loaded/frozen.py",
        ".mean().add(self._facts.eps).sqrt()",
        ".mean().sqrt()",
        ("tests/models/measures", "tests/models/identities"),
    ),
    Fault(
        "LayerNorm's mean is left in a direction",
        "models/loaded/frozen.py",
        "return vectors - vectors.mean(dim=-1, keepdim=True)",
        "return vectors",
        ("tests/models/measures", "tests/models/identities"),
    ),
    Fault(
        "equal numbers are ranked by their last digit",
        "models/loaded/ranked.py",
        "tied = (values[:, :-1] - values[:, 1:] <= near[:, None])",
        "tied = (values[:, :-1] - values[:, 1:] < 0)",
        ("tests/models/loaded/test_ranked.py",),
    ),
    Fault(
        "a seed that does not change from step to step",
        "models/loaded/generate.py",
        "default_rng((self.seed, len(ids)))",
        "default_rng(self.seed)",
        ("tests/models/loaded/test_generate.py",),
    ),
    # Checkpoints
    Fault(
        "rows of a GGUF's queries stay interleaved",
        "models/checkpoints/convert.py",
        "if architecture.interleaved:",
        "if not architecture.interleaved:",
        ("tests/models/checkpoints/test_convert.py",),
    ),
    Fault(
        "another file than the catalog pins is taken",
        "models/checkpoints/fetch.py",
        "if digest.hexdigest() != member.sha256:",
        "if not digest.hexdigest():",
        ("tests/models/checkpoints",),
    ),
    # Serving
    Fault(
        "an answer holds more than was asked",
        "models/serving/store.py",
        "return _of(known, {want: known.arrays[want] for want in asked})",
        "return known",
        ("tests/models/serving/test_store.py",),
    ),
    Fault(
        "what is held is computed again",
        "models/serving/store.py",
        "missing = tuple(want for want in asked if want not in held)",
        "missing = asked",
        ("tests/models/serving/test_store.py",),
        alike="the worker looks again at what has come meanwhile, and computes only the rest",
    ),
    Fault(
        "what came while a question waited is computed again",
        "models/serving/store.py",
        "still = tuple(want for want in missing if want not in held)",
        "still = missing",
        ("tests/models/serving/test_store.py",),
    ),
    Fault(
        "verdicts go before readers",
        "models/serving/queue.py",
        "key=lambda job: (job.turn, job.since)",
        "key=lambda job: (-job.turn, job.since)",
        ("tests/models/serving/test_queue.py",),
    ),
    Fault(
        "what was used last is let go of first",
        "models/lru.py",
        "            while self._bytes > self.budget:\n                self._drop(next(iter(self._held)))",
        "            while self._bytes > self.budget:\n                self._drop(next(reversed(self._held)))",
        ("tests/models/test_lru.py",),
    ),
    # Formulas
    Fault(
        "a rotation the wrong way round",
        "anatomy/rotary.py",
        "a * np.cos(by) - b * np.sin(by), a * np.sin(by) + b * np.cos(by)",
        "a * np.cos(by) + b * np.sin(by), b * np.cos(by) - a * np.sin(by)",
        ("tests/anatomy", "tests/panels/position"),
    ),
    Fault(
        "Llama 3.1 stretches the fast pairs",
        "anatomy/rotary.py",
        "kept * frequencies + (1 - kept) * frequencies / by.factor",
        "(1 - kept) * frequencies + kept * frequencies / by.factor",
        ("tests/anatomy", "tests/panels/position"),
    ),
    Fault(
        "a nucleus of one token too many",
        "anatomy/measure.py",
        "mass * running[-1] - 1e-12) + 1)",
        "mass * running[-1] - 1e-12) + 2)",
        ("tests/anatomy",),
    ),
    Fault(
        "logits are multiplied with the temperature",
        "anatomy/sampling.py",
        "return scores / np.float32(temperature)",
        "return scores * np.float32(temperature)",
        ("tests/anatomy", "tests/panels/output"),
    ),
    Fault(
        "top-p leaves out the token that reaches it",
        "anatomy/sampling.py",
        "tail = running <= np.float32(1 - p)",
        "tail = running < np.float32(1 - p)",
        ("tests/anatomy", "tests/panels/output"),
        alike="differs only where the sum of the tail is 1 − p to the last bit",
    ),
    Fault(
        "the cache without its values",
        "anatomy/memory.py",
        "return 2 * (model.n_kv",
        "return (model.n_kv",
        ("tests/anatomy", "tests/panels/output", "tests/panels/scale"),
    ),
    Fault(
        "a tied output layer is counted again",
        "anatomy/costs.py",
        "own = 0 if given.tied else given.vocab * given.d_model",
        "own = given.vocab * given.d_model",
        ("tests/anatomy", "tests/panels/scale"),
    ),
    Fault(
        "T5's far distances share no bucket",
        "anatomy/relative.py",
        "exact = side // 2",
        "exact = side // 4",
        ("tests/anatomy", "tests/models/families/test_t5.py"),
    ),
    Fault(
        "rounding is shown as ten times smaller",
        "anatomy/rounding.py",
        "10.0 ** round(math.log10(size * FRACTION))",
        "10.0 ** (round(math.log10(size * FRACTION)) - 1)",
        ("tests/anatomy",),
    ),
    # Figures
    Fault(
        "a share is rounded up to 100 %",
        "viz/format.py",
        '"100" if value >= 99.9999 else',
        '"100" if value >= 99.5 else',
        ("tests/viz/test_format.py",),
    ),
    Fault(
        "pooled cells hold their mean in place of their largest",
        "anatomy/measure.py",
        "maps = np.maximum.reduceat(maps",
        "maps = np.minimum.reduceat(maps",
        ("tests/anatomy", "tests/models/measures"),
    ),
    Fault(
        "the colours of a grid are reversed",
        "ui/components/grid.js",
        "ramp: ramp(stops(root, g.signed)),",
        "ramp: ramp(stops(root, g.signed)).reverse(),",
        ("tests/ui/test_colours.py",),
    ),
    Fault(
        "small pictures come upside down",
        "ui/components/grid_scale.js",
        "to + r * side);",
        "to + (side - 1 - r) * side);",
        ("tests/ui/test_packing.py",),
    ),
    # Verdicts
    Fault(
        "the wrong sign in the cosine with a sum",
        "articles/checks/residual.py",
        "return (x**2 + dot) /",
        "return (x**2 - dot) /",
        _VERDICTS,
    ),
    Fault(
        "hits on next words are off by one",
        "articles/checks/output.py",
        "(trace[_NEXT][:-1, 0] == ids[1:])",
        "(trace[_NEXT][1:, 0] == ids[1:])",
        _VERDICTS,
    ),
    Fault(
        "neighbours are near at a sixth of what is asked",
        "articles/checks/embedding.py",
        "near = mean > 1.2 * chance",
        "near = mean > 0.2 * chance",
        _VERDICTS,
    ),
    Fault(
        "the factor on embedding rows is forgotten",
        "articles/checks/position.py",
        "rows = trace[_ROWS].astype(np.float64) * spec.embed_scale",
        "rows = trace[_ROWS].astype(np.float64)",
        _VERDICTS,
    ),
    # Descriptions and notebooks
    Fault(
        "a difference is a sum",
        "viz/partners.py",
        "return taken(first, (i for i, _j in pairs)) - taken(",
        "return taken(first, (i for i, _j in pairs)) + taken(",
        _DESCRIPTIONS,
    ),
    Fault(
        "partners depend on who comes first",
        "anatomy/alignment.py",
        "if tuple(second) < tuple(first):",
        "if False:",
        _DESCRIPTIONS,
    ),
    Fault(
        "what is not known is the number 0",
        "viz/bars.py",
        "np.nan if bar.lone else bar.value for bar",
        "bar.value for bar",
        _DESCRIPTIONS,
    ),
    Fault(
        "chosen tokens are not matched with each other",
        "anatomy/alignment.py",
        "and first[i] == second[j]:",
        "and False:",
        _DESCRIPTIONS,
    ),
    Fault(
        "the n-th of a name belongs to the first",
        "viz/partners.py",
        "numbered.append((name, seen[name]))",
        "numbered.append((name, 0))",
        _DESCRIPTIONS,
    ),
    Fault(
        "a difference of 0 has a scale of 0",
        "viz/partners.py",
        "if end and compared else end or 1.0",
        "if end and compared else end",
        _DESCRIPTIONS,
    ),
    Fault(
        "a bar without a partner has its own value",
        "viz/bars.py",
        'bar.label}", value=0.0, note=',
        'bar.label}", note=',
        _DESCRIPTIONS,
    ),
    Fault(
        "an answer is as large as it likes",
        "viz/description.py",
        "if notebook.size(shown) <= notebook.MOST:",
        "if True:",
        ("tests/viz/test_notebook.py",),
    ),
    Fault(
        "a caption ends its script",
        "viz/notebook.py",
        "<p>{html.escape(caption)}</p>",
        "<p>{caption}</p>",
        ("tests/viz/test_notebook.py",),
    ),
    Fault(
        "each panel is read twice",
        "ui/stage.py",
        "text.answer(read.caption)",
        "text.answer(PanelAnswer.of(panel, trace, view).caption)",
        ("tests/ui/test_question.py",),
    ),
    # What is checked when a model is opened
    Fault("the turn does not stretch", "anatomy/rotary.py", "a, b = stretch * in_pairs", "a, b = in_pairs", _FACTS),
    Fault(
        "a long text turns like a short one",
        "anatomy/spec.py",
        "replace(self, frequencies=self.beyond) if longer else self",
        "self",
        _FACTS,
    ),
    Fault(
        "a program's angles are those of a short text",
        "models/local/engine.py",
        "return self.spec.on(1 + interventions.numbers(run.interventions, tokens)[1])",
        "return self.spec.on(1)",
        _FACTS,
    ),
    Fault(
        "every layer scales as the first",
        "anatomy/spec.py",
        "return self.scales[layer] if self.scales",
        "return self.scales[0] if self.scales",
        _FACTS,
    ),
    Fault(
        "the window is tried on a text that it holds",
        "models/identities/fact_laws.py",
        "NARROW = 4  #",
        "NARROW = 400  #",
        _FACTS,
    ),
    Fault(
        "angles are tried at short places alone",
        "models/identities/fact_laws.py",
        "sorted(place for place in doubling | around | {longest - 1} if 0 <= place < longest)",
        "[0, 1]",
        _FACTS,
    ),
    Fault(
        "differences below 1 count by themselves",
        "models/identities/identity.py",
        "shares = differences / sizes",
        "shares = differences / sizes.clamp(min=1.0)",
        _FACTS,
    ),
    Fault(
        "a score's rounding has the size of the score",
        "models/reading/attended.py",
        "sums = self.query.abs() @ of_head",
        "sums = self.query @ of_head",
        _FACTS,
    ),
    Fault(
        "a cache forgets what Llama still sees",
        "models/loaded/generate.py",
        "if loaded.spec.windows else DynamicCache()",
        "if True else DynamicCache()",
        _FACTS,
    ),
    Fault(
        "keys of a short text stay in the cache of a long one",
        "models/loaded/generate.py",
        "if loaded.spec.on(len(given)).position != loaded.spec.on(len(given) + 1).position:",
        "if False:",
        _FACTS,
    ),
    Fault(
        "a doubt closes nothing",
        "panels/panel.py",
        "return self.applies(spec) or (None if doubt is None else str(doubt))",
        "return self.applies(spec)",
        _FACTS,
    ),
    Fault(
        "tensors without a place are dropped",
        "models/loaded/judged.py",
        "        if strays:\n            template",
        "        if False:\n            template",
        ("tests/models/loaded/test_judged.py",),
    ),
    Fault(
        "a file of the right size passes unread",
        "models/checkpoints/integrity.py",
        "return digest == sha256",
        "return True",
        ("tests/models/checkpoints/test_integrity.py", "tests/models/checkpoints/test_damage.py"),
    ),
    Fault(
        "a file that changed since counts as unchanged",
        "models/checkpoints/integrity.py",
        "return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino",
        "return facts.st_size, 0, 0, 0",
        ("tests/models/checkpoints/test_integrity.py", "tests/models/checkpoints/test_damage.py"),
    ),
    Fault(
        "a panic of a library passes the boundary",
        "models/checkpoints/outside.py",
        '_PANICS = "pyo3_runtime"',
        '_PANICS = "nothing"',
        ("tests/models/checkpoints/test_outside.py",),
    ),
    # What the passage draws and says
    Fault(
        "the chosen token's arcs by the others' rule",
        "panels/stack/passage_paths.py",
        "least[pos] = CHOSEN",
        "least[pos] = OTHERS",
        _PASSAGE,
    ),
    Fault(
        "every token's arcs by the chosen one's rule",
        "panels/stack/passage_paths.py",
        "least = np.full(tops.weight.shape[1], OTHERS)",
        "least = np.full(tops.weight.shape[1], CHOSEN)",
        _PASSAGE,
    ),
    Fault(
        "a longer way comes before a shorter one that is as strong",
        "panels/stack/passage_paths.py",
        "steps - 1",
        "steps + 1",
        _PASSAGE,
    ),
    Fault(
        "a way is made stronger by what comes too late for it",
        "panels/stack/passage_paths.py",
        "later = dict(ways)",
        "later = ways",
        _PASSAGE,
    ),
    Fault(
        "a way is as strong as the last share on it",
        "panels/stack/passage_paths.py",
        "way = min(strength, float(tops.share[layer, place])), steps - 1",
        "way = float(tops.share[layer, place]), steps - 1",
        _PASSAGE,
    ),
    Fault(
        "shares of the stream that leaves the layer",
        "panels/stack/passage_reading.py",
        "tops = _tops(trace, entering)",
        "tops = _tops(trace, leaving)",
        _PASSAGE,
    ),
    Fault(
        "a word that leads for one layer is named",
        "panels/stack/passage_reading.py",
        "_LEAST = 2",
        "_LEAST = 1",
        _PASSAGE,
    ),
    Fault(
        "the answer leads from the layer where it first led",
        "panels/stack/passage_reading.py",
        'leads_from(trace[Want("lens_ids", pos=pos)])',
        'int((trace[Want("lens_ids", pos=pos)][:, 0] == trace[Want("lens_ids", pos=pos)][-1, 0]).argmax())',
        _PASSAGE,
    ),
    Fault(
        "arcs from the token beside it are called far",
        "panels/stack/passage_paths.py",
        "abs(arc.src - pos) > 1",
        "abs(arc.src - pos) > 0",
        _PASSAGE,
    ),
    Fault(
        "a long text counts as whole before its arcs are there",
        "panels/stack/passage_reading.py",
        "complete = all(want in trace for want in _slow(trace.spec))",
        "complete = True",
        _PASSAGE,
    ),
)
