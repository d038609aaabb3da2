"""A pseudo-random permutation of 0..size-1 by index: no index array, any place in O(1).

A Feistel network over a grid a × b ≥ size, the second method of Black & Rogaway, "Ciphers with
Arbitrary Finite Domains" (CT-RSA 2002), with modular additions in alternating rounds; places of the
grid beyond `size` walk on along their cycle until they come back inside.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key, UInt32

ROUNDS = 8
ROUNDS_SMALL = 16  # below SMALL, where a round mixes only a few bits
SMALL = 1024
MULTIPLIERS = (0x7FEB352D, 0x846CA68B)  # "lowbias32", Wellons, nullprogram.com/blog/2018/07/31


def permute(index: Int[Array, "*n"], size: int, key: Key[Array, ""]) -> Int[Array, "*n"]:
    """Map places 0..size-1 one to one onto 0..size-1; another key, another order.

    index: within 0..size-1 (clipped to it). size: static, below 2**31.
    """
    if not 0 < size < 2**31:
        raise ValueError(f"size must be within 1..2**31-1, got {size}")
    height, width = _grid(size)
    round_keys = jax.random.bits(key, (ROUNDS if size >= SMALL else ROUNDS_SMALL,), jnp.uint32)
    place = jnp.clip(index, 0, size - 1).astype(jnp.uint32)
    place = _feistel(place, height, width, round_keys)
    if height * width > size:
        place = jax.lax.while_loop(
            lambda x: jnp.any(x >= size),
            lambda x: jnp.where(x >= size, _feistel(x, height, width, round_keys), x),
            place,
        )
    return place.astype(jnp.int32)


def _grid(size: int) -> tuple[int, int]:
    """Choose the sides, of 16 bits, one at most four times the other, that exceed `size` least."""
    root = math.isqrt(size - 1) + 1
    lowest = max((root + 1) // 2, min(2, root), -(-size // 0xFFFF))
    heights = np.arange(lowest, root + 1, dtype=np.int64)
    widths = -(-size // heights)
    best = np.lexsort((-heights, heights * widths))[0]
    return int(heights[best]), int(widths[best])


def _feistel(
    place: UInt32[Array, "*n"], height: int, width: int, round_keys: UInt32[Array, "rounds"]
) -> UInt32[Array, "*n"]:
    up = place // jnp.uint32(width)
    along = place - up * jnp.uint32(width)
    for r in range(0, round_keys.shape[0], 2):
        along = _add(along, _mix(up, round_keys[r]), width)
        up = _add(up, _mix(along, round_keys[r + 1]), height)
    return up * jnp.uint32(width) + along


def _add(x: UInt32[Array, "*n"], noise: UInt32[Array, "*n"], modulus: int) -> UInt32[Array, "*n"]:
    # Noise is scaled by multiplying 16 bits: a remainder would be a slow division, round by round.
    total = x + ((noise >> 16) * jnp.uint32(modulus) >> 16)
    return jnp.where(total >= modulus, total - jnp.uint32(modulus), total)


def _mix(x: UInt32[Array, "*n"], round_key: UInt32[Array, ""]) -> UInt32[Array, "*n"]:
    x = x ^ round_key
    x = (x ^ (x >> 16)) * jnp.uint32(MULTIPLIERS[0])
    x = (x ^ (x >> 15)) * jnp.uint32(MULTIPLIERS[1])
    return x ^ (x >> 16)
