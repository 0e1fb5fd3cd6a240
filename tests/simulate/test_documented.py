"""docs/simulated-models.md says what the tables in the code say."""

from __future__ import annotations

from pathlib import Path

from router.catalog import Catalog
from router.simulate import faults, render, speech, world

TEXT = (Path(__file__).parents[2] / "docs" / "simulated-models.md").read_text("utf-8")
ROWS = {
    c[0].strip("`"): c[1:] for c in ([x.strip() for x in line.strip("|").split("|")] for line in TEXT.splitlines()) if c
}


def test_every_hidden_number_is_documented(catalog: Catalog) -> None:
    """Score and offset, or the true share, of each class and model; what thinking gains; median tokens."""
    models = [m for m in catalog.models.values() if m.name in world.UNSCORED]
    for step_class, tokens in world.VISIBLE.items():
        cells = []
        for model in models:
            benchmark = catalog.classes.get(step_class)
            score = model.score(benchmark) if benchmark else None
            if score is None:
                cells.append(f"unscored: {world.UNSCORED[model.name][step_class]:.2f}")
            else:
                cells.append(f"{score.percent:g}% {world.OFFSETS[model.name][step_class]:+.1f}")
        assert ROWS[step_class] == [*cells, f"{world.THOUGHT[step_class]:.1f}", f"{tokens:,.0f}"]


def test_faults_and_constants_are_documented() -> None:
    """Every kind of fault with what it does, and the numbers that the text names."""
    for kind, meaning in faults.KINDS.items():
        assert ROWS[kind] == [meaning]
    lengths = (world.SHARED_LENGTH, world.STEP_LENGTH, world.ATTEMPT_LENGTH)
    assert "spread of {} that belongs to the step, {} to\nthe arm on it and {} to the attempt".format(*lengths) in TEXT
    assert f"{world.SIGMA} * z[step] + {world.TAU} * u[model, step]" in TEXT
    assert f"written up to {speech.TEXT_CAP:,} tokens" in TEXT
    assert f"at most {render.CHUNKS} pieces" in TEXT
    assert f"{world.PREFILL_TOKENS_PER_S:,.0f} prompt tokens" in TEXT
    assert world.VERBOSITY == {"nemotron-3-super": 1.1, "qwen3.5-397b": 0.95}
    assert [round(b - a, 9) for (a, _), (b, _) in zip(((0.0, ""), *world.FORMS[:-1]), world.FORMS, strict=True)] == [
        0.88,
        0.04,
        0.04,
        0.04,
    ]
