"""Task graphs: folded until they can be read, checked, and harmless whatever a name holds."""

import re
import shutil
import subprocess

import pytest

from contracts.errors import InvalidDocument
from workloads.profiles.graph import HUB, MOST_BOXES, MOST_EDGES, Task, checked, dot, folded


def iterated(rounds=21, tasks=6):
    """What K-Means submits: so many tasks, again and again."""
    return [
        Task(f"assess-{number}-{index}", "kmeans-assess", (), number)
        for number in range(rounds)
        for index in range(tasks)
    ]


def tree(leaves=32):
    """A tree reduction of Dask: parts, summed up two by two."""
    tasks = [Task(f"part-{index}", "part") for index in range(leaves)]
    before = [task.key for task in tasks]
    while len(before) > 1:
        pairs = list(zip(before[::2], before[1::2], strict=True))
        before = [f"sum-{len(pairs)}-{index}" for index in range(len(pairs))]
        tasks += [Task(key, "sum", pair) for key, pair in zip(before, pairs, strict=True)]
    return tasks


def test_rounds_of_equal_tasks_are_one_box_and_a_loop():
    found = folded(iterated(), hub="the program")
    assert found["boxes"] == [{"name": "kmeans-assess", "tasks": 126, "rounds": 21, "level": 0}]
    assert found["edges"] == [[HUB, 0, 120], [0, HUB, 126]]
    assert (found["tasks"], found["rounds"], found["unseen"]) == (126, 21, 0)
    assert "6 in each of 21 rounds" in dot(checked(found))
    later = [Task(task.key, task.name, (), task.round + 5) for task in iterated()]
    assert folded(later, hub="the program") == found, "the first round is whichever came first"


def test_a_tree_keeps_its_levels():
    found = folded(tree(), hub="the program")
    assert [(box["name"], box["tasks"]) for box in found["boxes"]] == [
        ("part", 32), ("sum", 16), ("sum", 8), ("sum", 4), ("sum", 2), ("sum", 1)
    ]  # fmt: skip
    assert found["edges"] == [
        [0, 1, 32], [1, 2, 16], [2, 3, 8], [3, 4, 4], [4, 5, 2], [5, HUB, 1]
    ]  # fmt: skip


def test_a_small_graph_shows_each_task():
    found = folded(tree(4), hub="the program")
    assert [box["tasks"] for box in found["boxes"]] == [1] * 7
    assert [5, 6, 1] in found["edges"]


def test_any_graph_is_small_enough_to_be_read():
    wild = [Task(str(one), f"name-{one % 900}", (str(one - 1),), one) for one in range(5000)]
    found = folded(wild, hub="the program", unseen=7)
    assert len(found["boxes"]) == MOST_BOXES + 1
    assert sum(box["tasks"] for box in found["boxes"]) == 5000
    assert found["boxes"][-1]["name"] == "others" or "others" in {
        box["name"] for box in found["boxes"]
    }
    assert len(found["edges"]) <= MOST_EDGES
    assert found["tasks"] == 5007
    assert checked(found) == found


def test_needs_that_nobody_knows_are_left_out():
    found = folded([Task("a", "a", ("gone",)), Task("b", "b", ("a", "gone"))], hub="x")
    assert found["edges"] == [[0, 1, 1], [1, HUB, 1]]
    assert folded([], hub="x")["boxes"] == []


GOOD = folded(tree(4), hub="the program")


@pytest.mark.parametrize(
    "change",
    [
        {"boxes": "none"},
        {"boxes": [{"name": 1, "tasks": 1, "rounds": 1, "level": 0}]},
        {"boxes": [{"name": "a", "tasks": -1, "rounds": 1, "level": 0}]},
        {"boxes": GOOD["boxes"] * 100},
        {"edges": [[0, 99, 1]]},
        {"edges": [[0, 1]]},
        {"edges": [[0, 1, True]]},
        {"edges": [[0, 1, "1];x[label=y"]]},
        {"edges": [[0, 1, 1]] * (MOST_EDGES + 1)},
        {"hub": None},
        {"tasks": 1e9},
    ],
)
def test_what_is_no_graph_is_refused(change):
    checked(GOOD)
    with pytest.raises(InvalidDocument):
        checked({**GOOD, **change})


def test_a_name_is_a_name_and_nothing_to_obey():
    hostile = '"];x[image="/etc/passwd",URL="javascript:alert(1)"]\\N<b>\n\x1b[2J' + "y" * 500
    text = dot(checked(folded([Task("a", hostile)], hub=hostile)))
    labels = re.findall(r'label="((?:[^"\\]|\\.)*)"', text)
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert len(labels) == 3
    assert "image" not in outside
    assert "URL" not in outside
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) < 400


@pytest.mark.skipif(shutil.which("dot") is None, reason="graphviz is not installed")
@pytest.mark.parametrize("tasks", [iterated(), tree(), tree(8), []], ids=len)
def test_graphviz_draws_it(tasks):
    text = dot(checked(folded(tasks, hub='the "program"')))
    done = subprocess.run(
        ["dot", "-Tsvg"], input=text.encode(), capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"<script" not in done.stdout
