"""Ids as vectors: a row each, or rows that many share by hashing; rare ids may be left unknown."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float, Int, UInt32

from jaxrec.embedding import embed
from jaxrec.errors import InputError


@dataclass(frozen=True)
class Ids:
    """How the ids of users, or of items, become vectors."""

    rows: int | None = None
    """Rows of a table that all ids share by hashing, however many there are; None: each has its
    own. Row 0 is of id 0: padding, or what is unknown."""
    hashes: int = 2
    """Rows that are added up for an id, so that two ids rarely share all (Svenstrup et al., "Hash
    Embeddings for Efficient Word Representations", NeurIPS 2017)."""
    weighted: bool = False
    """Whether an id's rows are weighted before, by numbers of a row that one more hash finds."""
    unknown: float = 0.0
    """α: in training, an id of n training events is taken for the unknown one with probability
    α / (α + n), so that the unknown one learns what rare ids are like (Kiperwasser & Goldberg, TACL
    2016, section 4, of words, with .25). With any α, ids without training events are unknown."""
    scale: float = 0.1
    """Standard deviation of the initial vectors."""

    def build(self, num_ids: int, dim: int, counts: np.ndarray | None = None) -> "IdEncoder":
        """Make the encoder of ids 0 to num_ids; counts: the training events of each."""
        if self.rows is not None and self.rows < 2:
            raise InputError(f"rows is {self.rows}; give a whole number from 2 on, or None")
        if self.hashes < 1:
            raise InputError(f"hashes is {self.hashes}; give a whole number from 1 on")
        if self.unknown < 0:
            raise InputError(f"unknown is {self.unknown}; give 0, or a number above it")
        if self.unknown and counts is None:
            raise InputError(f"unknown is {self.unknown}, and no events are counted; give 0")
        return IdEncoder(self, num_ids, dim, counts)


class IdEncoder(nn.Module):
    """One row of a table for each id, or the sum of several that hashes find."""

    config: Ids
    num_ids: int
    dim: int
    counts: np.ndarray | None = None

    def setup(self) -> None:
        c = self.config
        if c.rows is None:
            self.table = embed(self.num_ids + 1, self.dim, scale=c.scale)
            return
        self.table = embed(c.rows, self.dim, scale=c.scale / c.hashes**0.5)
        if c.weighted:
            self.weights = embed(c.rows, c.hashes, scale=0.0)

    def __call__(self, id: Int[Array, "*n"], train: bool = False) -> Float[Array, "*n dim"]:
        c = self.config
        id = self.known(id, train)
        if c.rows is None:
            return self.table(id)
        rows = hashed(id, c.rows, c.hashes + c.weighted)
        vectors = self.table(rows[..., : c.hashes])
        if c.weighted:
            vectors = vectors * (1 + self.weights(rows[..., -1]))[..., None]
        return vectors.sum(-2)

    def known(self, id: Int[Array, "*n"], train: bool) -> Int[Array, "*n"]:
        """Put 0, the unknown id, for some rare ids in training, and for unseen ones always."""
        if not self.config.unknown:
            return id
        times = jnp.take(jnp.asarray(self.counts, jnp.float32), id, mode="clip")
        if not train:
            return jnp.where(times > 0, id, 0)
        chance = self.config.unknown / (self.config.unknown + times)
        draw = jax.random.uniform(self.make_rng("dropout"), id.shape)
        return jnp.where(draw < chance, 0, id)


def hashed(id: Int[Array, "*n"], rows: int, hashes: int) -> Int[Array, "*n hashes"]:
    """Find `hashes` of the rows 1 to rows - 1 for each id, and row 0 for id 0.

    By arithmetic on 32-bit words alone, so the same on every machine and in every run: `mixed`, of
    the id and, mixed in, the number of the hash.
    """
    seeds = jnp.arange(1, hashes + 1, dtype=jnp.uint32) * jnp.uint32(0x9E3779B9)
    seeds = seeds.reshape(*(1,) * id.ndim, -1)
    word = mixed(mixed(id.astype(jnp.uint32))[..., None] ^ seeds)
    row = 1 + word % jnp.uint32(rows - 1)
    return jnp.where((id > 0)[..., None], row, 0).astype(jnp.int32)


def mixed(word: UInt32[Array, "*n"]) -> UInt32[Array, "*n"]:
    """Turn each word into another of which every bit depends on all of its bits, one to one.

    Appleby's finaliser of MurmurHash3.
    """
    word = (word ^ (word >> 16)) * jnp.uint32(0x85EBCA6B)
    word = (word ^ (word >> 13)) * jnp.uint32(0xC2B2AE35)
    return word ^ (word >> 16)
