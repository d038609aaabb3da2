"""What a fit takes of memory, said before it is taken, and refused where that is too much."""

import sys

from jaxrec.errors import InputError


def check_memory(what: str, needed: float, budget: int, instead: str) -> None:
    """Say what a fit takes at its peak, in bytes; raise InputError if that is over the budget.

    `instead` names what takes less, as an imperative.
    """
    takes = f"{what} may take {needed / 2**30:.2f} GiB"
    if needed > budget:
        raise InputError(
            f"{takes}, and model.memory_budget is {budget / 2**30:.2f} GiB; raise it, or {instead}"
        )
    print(f"{takes}.", file=sys.stderr)
