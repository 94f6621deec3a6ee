"""ResNet-18 in flax, for small images.

The block structure is that of He et al., "Deep Residual Learning for Image Recognition" (2015),
table 1: four stages of two basic blocks, twice the channels and half the side from one stage to
the next. The stem is the one that they use for small images: one 3x3 convolution, no pooling.

Every normalisation is over groups of channels (Wu and He, "Group Normalization", 2018) and not
over the batch: a row's output depends on no other row then, so that a batch cut into shares
has the gradients of the whole one, and nothing has to travel in the middle of a step.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn

BLOCKS = (2, 2, 2, 2)
MOST_GROUPS = 32
KERNEL = 3


def taps(side: int, stride: int) -> tuple[int, int]:
    """Return which taps of a 3-wide kernel ever meet a pixel: the first, and one past the last.

    With a side of 1 the outer taps only see the padding: they have no part in the output and
    no gradient. Leaving them out changes no number, and at 8x8 saves most of the last stage.
    """
    outputs = range(-(-side // stride))
    used = [
        tap
        for tap in range(KERNEL)
        if any(0 <= place * stride + tap - 1 < side for place in outputs)
    ]
    return used[0], used[-1] + 1


class Convolution(nn.Module):
    """A 3x3 convolution with a padding of 1, and no bias; of square images."""

    channels: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return images (rows x side x side x channels) from images."""
        side = x.shape[1]
        first, last = taps(side, self.stride)
        whole = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
        shape = (KERNEL, KERNEL, x.shape[-1], self.channels)
        kernel = self.param(
            "kernel", lambda key: whole(key, shape)[first:last, first:last], unbox=False
        )
        outputs, before = -(-side // self.stride), 1 - first
        end = (outputs - 1) * self.stride + 1
        after = max(0, end + last - 1 - first - side - before)
        x = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
        places = range(last - first)
        patches = [
            x[:, row : row + end : self.stride, column : column + end : self.stride]
            for row in places
            for column in places
        ]
        flat: jax.Array = kernel.reshape(-1, self.channels)
        return jnp.concatenate(patches, axis=-1) @ flat


def normal(x: jax.Array, scale: "nn.initializers.Initializer") -> jax.Array:
    """Return images normalised over groups of channels; called within a compact module."""
    groups = min(MOST_GROUPS, x.shape[-1])
    layer: jax.Array = nn.GroupNorm(num_groups=groups, scale_init=scale)(x)
    return layer


class Block(nn.Module):
    """A basic block: two convolutions, and a way around them."""

    channels: int
    stride: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return images from images."""
        one, zero = nn.initializers.ones, nn.initializers.zeros
        y = nn.relu(normal(Convolution(self.channels, self.stride)(x), one))
        # The last scale of a block begins at 0: each block begins as its way around.
        y = normal(Convolution(self.channels)(y), zero)
        if x.shape != y.shape:
            corners = x[:, :: self.stride, :: self.stride]
            x = normal(nn.Dense(self.channels, use_bias=False)(corners), one)
        return nn.relu(x + y)


class ResNet18(nn.Module):
    """ResNet-18 for square images; `width` is the channels of its first stage."""

    classes: int
    width: int = 64

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return a number for each class (rows x classes); the highest is that of the image."""
        x = nn.relu(normal(Convolution(self.width)(x), nn.initializers.ones))
        for stage, blocks in enumerate(BLOCKS):
            for block in range(blocks):
                stride = 2 if stage and not block else 1
                x = Block(self.width << stage, stride)(x)
        return nn.Dense(self.classes)(jnp.mean(x, axis=(1, 2)))
