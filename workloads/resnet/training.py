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
from collections.abc import Mapping
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
COMPILER = {"xla_backend_optimization_level": 1}

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

    Parameters and gradients are one flat vector each; a gradient is of the type `kind`.
    """
    model = ResNet18(classes, width)
    blank = jnp.zeros((1, side, side, 1), jnp.float32)

    def tree(seed: Any) -> Any:
        return model.init(jax.random.key(seed), blank)

    shapes = jax.eval_shape(tree, 0)
    leaves, structure = jax.tree.flatten(shapes)
    ends = np.cumsum([leaf.size for leaf in leaves])

    def flat(parameters: Any) -> jax.Array:
        return jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(parameters)])

    def unflat(vector: jax.Array) -> Any:
        parts = [
            jax.lax.slice(vector, (end - leaf.size,), (end,)).reshape(leaf.shape)
            for leaf, end in zip(leaves, ends.tolist(), strict=True)
        ]
        return jax.tree.unflatten(structure, parts)

    def loss(vector: jax.Array, x: jax.Array, y: jax.Array, counts: jax.Array) -> jax.Array:
        logits = jax.nn.log_softmax(model.apply(unflat(vector), x))
        own = jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]
        return -jnp.sum(own * counts) / batch

    def gradient(vector: jax.Array, x: jax.Array, y: jax.Array, counts: jax.Array) -> Any:
        return jax.grad(loss)(vector, x, y, counts).astype(kind)

    def step(vector: jax.Array, speed: jax.Array, found: jax.Array, rate: jax.Array) -> Any:
        pull = found.astype(jnp.float32) + DECAY * vector
        speed = MOMENTUM * speed + pull
        return vector - rate * (pull + MOMENTUM * speed), speed

    def right(vector: jax.Array, x: jax.Array, y: jax.Array, counts: jax.Array) -> jax.Array:
        guess = jnp.argmax(model.apply(unflat(vector), x), axis=1)
        return jnp.sum((guess == y) * counts)

    def shaped(*shape: int, of: str = "float32") -> Any:
        return jax.ShapeDtypeStruct(shape, of)

    vector = shaped(int(ends[-1]))
    rows = (shaped(share, side, side, 1), shaped(share, of="int32"), shaped(share))
    begin = time.monotonic()
    parts = (
        jax.jit(lambda seed: flat(tree(seed))).lower(0),
        jax.jit(gradient).lower(vector, *rows),
        jax.jit(step, donate_argnums=(0, 1)).lower(
            vector, vector, shaped(int(ends[-1]), of=kind), 0.0
        ),
        jax.jit(right).lower(vector, *rows),
    )
    made = [part.compile(compiler_options=COMPILER) for part in parts]
    return Steps(*made, seconds=time.monotonic() - begin)


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


def train(found: Images, recipe: Recipe, adding: Adding) -> tuple[dict[str, Any], Array]:
    """Train to the end as one of the members that add up; return what came of it.

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
    vector = parts.begin(recipe.seed)
    speed = jnp.zeros_like(vector)
    draws = np.random.default_rng(recipe.seed + 1)
    epochs, waits = [], []
    adding.meet()
    for epoch in range(recipe.epochs):
        begin, waited = time.monotonic(), adding.seconds
        # The last batch is filled up with the first rows: every batch has the same size.
        order = np.resize(draws.permutation(len(x)), a_epoch * recipe.batch)
        for number, batch in enumerate(order.reshape(a_epoch, recipe.batch)):
            mine = parts.gradient(vector, *_rows(x, y, _share(batch, adding), share))
            summed = adding.add(np.asarray(mine))
            now = rate(recipe, epoch * a_epoch + number, total)
            vector, speed = parts.step(vector, speed, summed, np.float32(now))
        jax.block_until_ready(vector)
        epochs.append(time.monotonic() - begin)
        waits.append(adding.seconds - waited)
    return {
        "accuracy": _accuracy(parts, vector, found, recipe, adding),
        "compile seconds": parts.seconds,
        "epoch seconds": float(np.median(epochs)),
        "epoch seconds of adding up": float(np.median(waits)),
        "bytes sent": adding.sent,
        "steps": total,
        "parameters": int(vector.size),
    }, np.asarray(vector)


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


def _accuracy(
    parts: Steps, vector: Any, found: Images, recipe: Recipe, adding: Adding
) -> float:
    """Return the part of the rows held out that are predicted rightly, by all members."""
    x, y = found.test
    size = share_of(recipe.batch, adding.members)
    own = _share(np.arange(len(x)), adding)
    hits = sum(
        float(parts.right(vector, *_rows(x, y, own[first : first + size], size)))
        for first in range(0, len(own), size)
    )
    (total,) = adding.add(np.array([hits], dtype=np.float32))
    return float(total) / len(x)


def warm(home: str, data: Mapping[str, Any], recipe: Recipe, members: int) -> float:
    """Load and compile all that a training of this shape needs; return the compile seconds."""
    found = images(home, Data(**data), recipe.held_out, recipe.seed)
    return steps_for(found, recipe, members).seconds
