"""ResNet-18: the network of the paper, the same training on any number of members."""

import json
import threading

import numpy as np
import pytest

from contracts.errors import InvalidDocument, TandemError
from tests.doubles.run_specs import workload_spec, write_run
from workloads import resnet
from workloads.data import datasets
from workloads.data.named import data
from workloads.driver import run as driver
from workloads.resnet.links import Door, Peer
from workloads.resnet.parameters import RECIPE

TINY = {"preset": "tiny"}
KEY = bytes(range(32))


def recipe(parameters, **changes):
    from workloads.resnet.training import Recipe

    own = {name: parameters[name] for name in RECIPE}
    return Recipe(**{**own, "learning_rate": 0.05, "seed": 0, **changes})


def tiny_images(home):
    from workloads.resnet import training

    parameters = resnet.validate(TINY)
    return training.images(str(home), data(parameters), parameters["held_out"], 0), parameters


def together(members, work):
    """Return what `work` returns on each of the members, each a thread with real sockets."""
    from workloads.resnet.exchange import Together

    doors = [Door("127.0.0.1", KEY) for _ in range(members)]
    peers = [Peer(f"n{n}", "127.0.0.1", door.port) for n, door in enumerate(doors)]
    found = [None] * members

    def one(rank):
        adding = Together(doors[rank], rank, peers, KEY)
        try:
            found[rank] = work(adding)
        except Exception as error:
            found[rank] = error
        finally:
            adding.close()

    threads = [threading.Thread(target=one, args=[rank]) for rank in range(members)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    for door in doors:
        door.close()
    for one_found in found:
        if isinstance(one_found, Exception):
            raise one_found
    return found


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [1, 2, 3, 4, 7, 8])
def test_taps_that_only_see_padding_have_no_part_in_the_output(side, stride):
    import jax
    from flax import linen as nn

    from workloads.resnet.network import Convolution

    x = jax.random.normal(jax.random.key(1), (2, side, side, 3))
    ours = Convolution(5, stride)
    cut = ours.init(jax.random.key(0), x)["params"]["kernel"]
    whole = nn.Conv(5, (3, 3), (stride, stride), padding=1, use_bias=False)
    kernel = np.full((3, 3, 3, 5), 7.0, dtype=np.float32)  # 7 where it must not matter
    first = 0 if cut.shape[0] == 3 else 1
    kernel[first : first + cut.shape[0], first : first + cut.shape[0]] = cut
    expected = whole.apply({"params": {"kernel": kernel}}, x)
    assert np.allclose(ours.apply({"params": {"kernel": cut}}, x), expected, atol=1e-5)
    assert (side > 2) <= (cut.shape[0] == 3)


def test_it_has_the_parameters_of_resnet_18():
    """As many as the ResNet-18 for 32x32 images in wide use, with one colour for three."""
    import jax

    from workloads.resnet.network import ResNet18

    def count(side):
        blank = jax.ShapeDtypeStruct((1, side, side, 1), "float32")
        shapes = jax.eval_shape(ResNet18(10).init, jax.random.key(0), blank)
        return sum(leaf.size for leaf in jax.tree.leaves(shapes))

    assert count(32) == 11_173_962 - 2 * 9 * 64
    assert count(8) < 0.4 * count(32)


@pytest.mark.parametrize("members", [2, 3])
def test_members_add_up_to_the_same_bits(members):
    vectors = np.random.default_rng(0).normal(size=(members, 10_007)).astype(np.float32)
    found = together(members, lambda adding: (adding.add(vectors[adding.rank]), adding.sent))
    for total, sent in found:
        assert np.array_equal(total, found[0][0])
        assert np.allclose(total, vectors.sum(axis=0), atol=1e-5)
        assert sent == pytest.approx(2 * (members - 1) / members * 4 * 10_007, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("members", "kind", "tolerance"),
    [
        (2, "float32", 2e-4),
        (3, "float32", 2e-4),
        pytest.param(2, "bfloat16", 3e-2, marks=pytest.mark.long),
    ],
)
def test_members_learn_the_parameters_that_one_learns(members, kind, tolerance, tmp_path):
    from workloads.resnet import training
    from workloads.resnet.exchange import Alone

    found, parameters = tiny_images(tmp_path)
    asked = recipe(parameters, epochs=1, gradients=kind)
    alone, expected = training.train(found, asked, Alone())
    training.steps_for(found, asked, members)  # once, and not in each thread
    for told, vector in together(members, lambda one: training.train(found, asked, one)):
        apart = np.linalg.norm(vector - expected) / np.linalg.norm(expected)
        assert apart < tolerance, apart
        assert told["steps"] == alone["steps"] == 4
        assert told["accuracy"] == pytest.approx(alone["accuracy"], abs=0.06)
        assert told["bytes sent"] > 0 == alone["bytes sent"]


def test_a_share_is_filled_up_with_rows_that_count_nothing(tmp_path):
    from workloads.resnet import training
    from workloads.resnet.exchange import Alone

    found, parameters = tiny_images(tmp_path)
    assert [training.share_of(40, count) for count in (1, 2, 3)] == [40, 20, 14]
    parts = training.steps_for(found, recipe(parameters), 1)
    tree = parts.begin(0)
    x, y = found.train
    whole = training._rows(x, y, np.arange(30), 40)
    assert whole[2].sum() == 30
    some = training.flat(parts.gradient(tree, *whole))
    rest = training.flat(parts.gradient(tree, *training._rows(x, y, np.arange(30, 40), 40)))
    both = training.flat(parts.gradient(tree, *training._rows(x, y, np.arange(40), 40)))
    assert np.allclose(some + rest, both, atol=1e-5)
    assert training.rate(recipe(parameters), 7, 8) < training.rate(recipe(parameters), 1, 8)
    assert Alone().add(whole[2]) is whole[2]


def test_who_does_not_know_the_key_is_hung_up_on():
    from workloads.resnet.links import call

    door = Door("127.0.0.1", KEY)
    try:
        with pytest.raises(OSError, match=r"."):
            call(Peer("n", "127.0.0.1", door.port), 1, bytes(32))
        with pytest.raises(TimeoutError):
            door.link(1, 0.2)
        link = call(Peer("n", "127.0.0.1", door.port), 1, KEY)
        door.link(1, 10.0).close()
        link.close()
    finally:
        door.close()


def test_rows_that_are_no_images_are_refused(tmp_path):
    from workloads.resnet import training

    with pytest.raises(TandemError, match="13 columns"):
        training.images(str(tmp_path), datasets.describe("wine", None), 0.2, 0)


@pytest.mark.slow
def test_a_plain_run_is_the_reference(tmp_path):
    rates = {"learning_rates": [0.05, 0.02]}
    spec = workload_spec("resnet", tmp_path / "home", {**TINY, **rates})
    assert driver.main([str(write_run(tmp_path, spec))]) == 0
    told = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    found = {one["trial_id"]: one for one in told if one["kind"] == "trial"}
    plain = resnet.plain(spec.parameters, spec.seed)
    for trial, reference in zip(spec.trials, plain, strict=True):
        assert tuple(found[trial.trial_id]["scores"]) == reference.scores
        assert found[trial.trial_id]["extra"]["compile seconds"] > 0
    assert told[-1]["summary"]["data"] == spec.parameters["data_version"]


@pytest.mark.parametrize("name", resnet.PRESETS)
def test_complete_parameters_stay_as_they_are(name):
    complete = resnet.validate({"preset": name})
    assert resnet.validate(complete) == complete
    assert complete["data_version"] == resnet.data_version(complete)
    assert len(resnet.combinations(complete)) == len(complete["learning_rates"])


def test_the_baseline_sends_no_gradients():
    one, other = (resnet.validate({"gradients": kind}) for kind in ("float32", "bfloat16"))
    assert resnet.plain_parameters(one) == resnet.plain_parameters(other)


REFUSED = {
    "rows": [10, 2000, "all"],
    "epochs": [0, 2.5, True],
    "batch": [1, 161, "big"],
    "learning_rates": [[], [0], [-0.1], [0.1, 0.1], 0.1, ["fast"], [11.0], [True]],
    "width": [0, 24, 48, 512],
    "held_out": [0.0, 0.95, 1],
    "gradients": ["float16", 16],
    "seed": [-1, 1 << 31],
    "dataset": ["iris", "mnist", "bucket:", None],
    "depth": [50],
    "data_version": ["digits-1"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]]
)
def test_a_wrong_parameter_is_named_with_what_to_type(name, value):
    with pytest.raises(InvalidDocument) as refused:
        resnet.validate({**TINY, name: value})
    assert any(problem.startswith(f"{name}:") for problem in refused.value.problems)
    assert refused.value.next_step


def test_every_problem_is_told_at_once():
    with pytest.raises(InvalidDocument) as refused:
        resnet.validate({"epochs": 0, "width": 5, "gradients": "int8", "preset": "huge"})
    assert len(refused.value.problems) == 4
