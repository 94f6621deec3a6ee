"""Training of ResNet-18 on one member's share of every batch, and what all members add up.

Every member has all of the model and computes the gradient of its share of each batch; the
shares' gradients are added up (exchange.py), and every member does the same step with the sum.
So the batches, the number of steps and, but for roundings, every parameter are the same however
many members there are. Steps are those of gradient descent with Nesterov's momentum, whose rate
rises over the first tenth of the steps and then falls to zero by half a cosine.
"""

import functools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from contracts.errors import TandemError
from workloads.data import datasets
from workloads.data.datasets import Data
from workloads.resnet.exchange import Adding
from workloads.resnet.network import ResNet18

MOMENTUM = 0.9
DECAY = 5e-4
RISING = 0.1
# Of LLVM, for all but the products of matrices, which are a library's: compiling takes a fifth
# of the time that it takes with XLA's own choice, and a step no longer.
COMPILER: dict[str, Any] = {"xla_backend_optimization_level": 1}

Array = NDArray[Any]


@dataclass(frozen=True)
class Recipe:
    """What is trained: fields are parameters of the workload (parameters.py)."""

    batch: int
    epochs: int
    held_out: float
    width: int
    learning_rate: float
    seed: int
    gradients: str


@dataclass(frozen=True)
class Images:
    """Images (rows x side x side x 1), of mean 0 and deviation 1 in training, and labels."""

    train: tuple[Array, Array]
    test: tuple[Array, Array]
    classes: int

    @property
    def side(self) -> int:
        """The pixels of a side."""
        return int(self.train[0].shape[1])


@dataclass(frozen=True)
class Steps:
    """The compiled parts of a step for one shape of the work, and the seconds it took."""

    begin: Any
    gradient: Any
    step: Any
    right: Any
    seconds: float


@functools.lru_cache(maxsize=4)
def images(home: str, data: Data, held_out: float, seed: int) -> Images:
    """Return a node's own copy of the data as images, cut in two by the seed.

    Raises
    ------
    TandemError
        If the rows are not square images.
    """
    x, y = datasets.load(home, data)
    side = math.isqrt(x.shape[1])
    if side * side != x.shape[1]:
        raise TandemError(
            f"{data.dataset} holds no square images: its rows have {x.shape[1]} columns.",
            next_step="--set dataset=digits, or data of the bucket with 64 or 784 columns",
        )
    classes, labels = np.unique(y, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = np.split(order, [max(1, round(len(x) * held_out))])
    pixels = np.asarray(x, dtype=np.float32).reshape(len(x), side, side, 1)
    mean, deviation = pixels[train].mean(), pixels[train].std()
    pixels = (pixels - mean) / max(float(deviation), 1e-6)
    codes = labels.astype(np.int32)
    return Images(
        (pixels[train], codes[train]), (pixels[test], codes[test]), classes=len(classes)
    )


@functools.lru_cache(maxsize=4)
def compiled(classes: int, width: int, side: int, batch: int, share: int, kind: str) -> Steps:
    """Return the parts of a step for shares of `share` rows, out of batches of `batch`.

    Gradients are of the type `kind`. `begin` makes the first parameters of a seed, `gradient`
    their gradient, `step` the next parameters and speeds, `right` counts right guesses.
    """
    model = ResNet18(classes, width)
    blank = jnp.zeros((1, side, side, 1), jnp.float32)

    def first(seed: Any) -> Any:
        return model.init(jax.random.key(seed), blank)

    def outputs(tree: Any, x: jax.Array) -> Any:
        return model.apply(tree, x)

    def loss(tree: Any, x: jax.Array, y: jax.Array, counts: jax.Array) -> jax.Array:
        logits = jax.nn.log_softmax(outputs(tree, x))
        own = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
        return -jnp.sum(own * counts) / batch

    def gradient(tree: Any, x: jax.Array, y: jax.Array, counts: jax.Array) -> Any:
        found = jax.grad(loss)(tree, x, y, counts)
        return jax.tree.map(lambda leaf: leaf.astype(kind), found)

    def step(tree: Any, speeds: Any, found: Any, rate: jax.Array) -> Any:
        pulls = jax.tree.map(lambda g, p: g.astype(jnp.float32) + DECAY * p, found, tree)
        speeds = jax.tree.map(lambda v, pull: MOMENTUM * v + pull, speeds, pulls)
        moved = jax.tree.map(
            lambda p, v, pull: p - rate * (pull + MOMENTUM * v), tree, speeds, pulls
        )
        return moved, speeds

    def right(tree: Any, x: jax.Array, y: jax.Array, counts: jax.Array) -> jax.Array:
        return jnp.sum((jnp.argmax(outputs(tree, x), axis=1) == y) * counts)

    def shaped(*shape: int, of: str = "float32") -> Any:
        return jax.ShapeDtypeStruct(shape, of)  # type: ignore[no-untyped-call]

    rows = (shaped(share, side, side, 1), shaped(share, of="int32"), shaped(share))
    begin = time.monotonic()
    tree = jax.eval_shape(first, 0)
    found = jax.tree.map(lambda leaf: shaped(*leaf.shape, of=kind), tree)
    parts = {
        "begin": jax.jit(first).lower(0),
        "gradient": jax.jit(gradient).lower(tree, *rows),
        "step": jax.jit(step, donate_argnums=(0, 1)).lower(tree, tree, found, shaped()),
        "right": jax.jit(right).lower(tree, *rows),
    }
    made = {name: part.compile(compiler_options=COMPILER) for name, part in parts.items()}
    return Steps(**made, seconds=time.monotonic() - begin)


def flat(tree: Any) -> Array:
    """Return the numbers of a tree of arrays as one vector."""
    return np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(tree)])


def shaped_as(tree: Any, vector: Array) -> Any:
    """Return a vector as a tree of views of it, of the shapes of another."""
    leaves, structure = jax.tree.flatten(tree)
    ends = np.cumsum([leaf.size for leaf in leaves]).tolist()
    parts = [
        vector[end - leaf.size : end].reshape(leaf.shape)
        for leaf, end in zip(leaves, ends, strict=True)
    ]
    return jax.tree.unflatten(structure, parts)


def share_of(batch: int, members: int) -> int:
    """Return the rows of a batch that a member computes; the last one's may be fewer."""
    return -(-batch // members)


def steps_for(found: Images, recipe: Recipe, members: int) -> Steps:
    """Return the compiled parts of a step, from the time before where there was one."""
    share = share_of(recipe.batch, members)
    kind = "float32" if members == 1 else recipe.gradients
    return compiled(found.classes, recipe.width, found.side, recipe.batch, share, kind)


def rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of a step, from 0, of so many."""
    rising = max(1, round(RISING * steps))
    if step < rising:
        return recipe.learning_rate * (step + 1) / rising
    turn = math.pi * (step - rising) / (steps - rising)
    return recipe.learning_rate * 0.5 * (1 + math.cos(turn))


def train(
    found: Images,
    recipe: Recipe,
    adding: Adding,
    done: Callable[[int], None] = lambda epochs: None,
) -> tuple[dict[str, Any], Array]:
    """Train to the end as one of the members that add up; return what came of it.

    `done` is told how many epochs are, outside of their time.

    Returns
    -------
    dict
        `accuracy` on the rows that were held out, and the seconds of compiling, of the
        median epoch, and in it of adding up, bytes sent, steps, parameters.
    array
        The parameters, flat.
    """
    parts = steps_for(found, recipe, adding.members)
    x, y = found.train
    a_epoch = -(-len(x) // recipe.batch)
    total, share = recipe.epochs * a_epoch, share_of(recipe.batch, adding.members)
    tree = parts.begin(recipe.seed)
    speeds = jax.tree.map(jnp.zeros_like, tree)
    draws = np.random.default_rng(recipe.seed + 1)
    epochs, waits = [], []
    adding.meet()
    for epoch in range(recipe.epochs):
        begin, waited = time.monotonic(), adding.seconds
        # The last batch is filled up with the first rows: every batch has the same size.
        order = np.resize(draws.permutation(len(x)), a_epoch * recipe.batch)
        for number, batch in enumerate(order.reshape(a_epoch, recipe.batch)):
            mine = parts.gradient(tree, *_rows(x, y, _share(batch, adding), share))
            summed = adding.add(flat(mine))
            now = rate(recipe, epoch * a_epoch + number, total)
            tree, speeds = parts.step(tree, speeds, shaped_as(mine, summed), np.float32(now))
        jax.block_until_ready(tree)  # type: ignore[no-untyped-call]
        epochs.append(time.monotonic() - begin)
        waits.append(adding.seconds - waited)
        done(epoch + 1)
    vector = flat(tree)
    return {
        "accuracy": _accuracy(parts, tree, found, recipe, adding),
        "compile seconds": parts.seconds,
        "epoch seconds": float(np.median(epochs)),
        "epoch seconds of adding up": float(np.median(waits)),
        "bytes sent": adding.sent,
        "steps": total,
        "parameters": int(vector.size),
    }, vector


def _share(rows: Array, adding: Adding) -> Array:
    share = share_of(len(rows), adding.members)
    return rows[adding.rank * share : (adding.rank + 1) * share]


def _rows(x: Array, y: Array, chosen: Array, size: int) -> tuple[Array, Array, Array]:
    """Return rows, their labels and how often each counts: those that fill up count nothing."""
    filled = np.zeros(size, dtype=np.int64)
    filled[: len(chosen)] = chosen
    counts = np.zeros(size, dtype=np.float32)
    counts[: len(chosen)] = 1
    return x[filled], y[filled], counts


def _accuracy(parts: Steps, tree: Any, found: Images, recipe: Recipe, adding: Adding) -> float:
    """Return the part of the rows held out that are predicted rightly, by all members."""
    x, y = found.test
    size = share_of(recipe.batch, adding.members)
    own = _share(np.arange(len(x)), adding)
    hits = sum(
        float(parts.right(tree, *_rows(x, y, own[first : first + size], size)))
        for first in range(0, len(own), size)
    )
    (total,) = adding.add(np.array([hits], dtype=np.float32))
    return float(total) / len(x)


def warm(home: str, data: Mapping[str, Any], recipe: Recipe, members: int) -> float:
    """Load and compile all that a training of this shape needs; return the compile seconds."""
    found = images(home, Data(**data), recipe.held_out, recipe.seed)
    return steps_for(found, recipe, members).seconds
