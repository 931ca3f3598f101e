"""Trees drawn, written as HTML and Mermaid, and kept as plain data."""

from __future__ import annotations

import json

from headrace.core.schema import Field, Schema
from headrace.core.tree import Explanation, Step, Tree

NASTY = 'map(<b>"x" & `y`)'
LEFT = Tree((Step("shuffle(seed=1)", 5, seed=1), Step("left", 5)))
RIGHT = Tree((Step("right", 1),))


def test_steps_in_a_row_and_branches_are_drawn() -> None:
    tree = Tree((Step("batch(2)", 3, unit="batches"), Step("concat of 2", 6)), (LEFT, RIGHT))
    assert str(tree).splitlines() == [
        "┬ batch(2)            3 batches          ?",
        "└┬ concat of 2        6 records          ?",
        " ├─┬ shuffle(seed=1)  5 records  seed 1  ?",
        " │ └ left             5 records          ?",
        " └── right            1 record           ?",
    ]


def test_a_join_on_top_is_drawn_without_a_row() -> None:
    tree = Tree((Step("zip of 2"),), (RIGHT, Tree((Step("zip of 2"),), (LEFT, RIGHT))))
    assert [line.drawn for line in tree.lines()] == ["┬ ", "├── ", "└─┬ ", "  ├─┬ ", "  │ └ ", "  └── "]


def test_a_thousand_of_anything_is_shortened() -> None:
    wide = Tree((Step("concat of 1000"),), (RIGHT,) * 8, hidden=992)
    assert str(wide).splitlines()[-1] == "└─ ... 992 more"
    assert len(str(wide).splitlines()) == 10
    long = Tree(tuple(Step(f"map(f{number})") for number in range(1000)))
    lines = str(long).splitlines()
    assert len(lines) == 41
    assert lines[20] == "├ ... 960 more steps"
    assert "map(f999)" in lines[-1]
    assert long.mermaid().count("-->") == 40
    assert "960 more steps" in long.html()
    assert len(long.to_dict()["steps"]) == 1000  # as data it is whole
    json.dumps(long.to_dict())


def test_what_the_user_wrote_is_escaped() -> None:
    shown = Explanation("Dataset: <i>", Tree((Step(NASTY, notes=("in <m>",)),)))
    html = shown._repr_html_()
    assert "<b>" not in html
    assert "<i>" not in html
    assert "<m>" not in html
    assert "map(&lt;b&gt;" in html
    drawn = shown.mermaid()
    assert '["map(#lt;b#gt;#quot;x#quot; #amp; #96;y#96;)<br>?"]' in drawn


def test_plain_data_holds_what_is_known() -> None:
    schema = Schema("value", {"value": Field("int64")})
    (step,) = json.loads(json.dumps(Tree((Step("range", 3, seed=7, schema=schema),)).to_dict()))["steps"]
    assert (step["step"], step["length"], step["seed"], step["endless"]) == ("range", 3, 7, False)
    assert Schema.from_json(step["schema"]) == schema
