"""DirectAU: matrix factorisation by directions alone, for the objective of that name.

Wang et al., "Towards Representation Alignment and Uniformity in Collaborative Filtering" (KDD
2022). Training sees no lengths of vectors; scores may (the authors' product) or not (Cosine).
"""

from dataclasses import dataclass, field
from typing import Any

from jaxrec.models.matrix_factorization import MatrixFactorization, MatrixFactorizationConfig
from jaxrec.similarity import Dot
from jaxrec.typing import Spec


@dataclass(frozen=True)
class DirectAUConfig(MatrixFactorizationConfig):
    """The sizes of a matrix factorisation without biases."""

    biases: bool = False
    """Whether users and items have biases: they have no direction, so leave it off."""
    similarity: Any = field(default_factory=Dot)
    """Dot, which ranks by lengths too, or Cosine of jaxrec.similarity."""

    def build(self, spec: Spec) -> "DirectAU":
        self.check()
        return DirectAU(self, spec)


class DirectAU(MatrixFactorization):
    """p_u · q_i, trained on the directions of p_u and q_i."""
