"""Memory is said, or refused."""

import pytest

from jaxrec.baselines.memory import check_memory
from jaxrec.errors import InputError


def test_memory_is_said_or_refused(capsys):
    check_memory("EASE", 2**30, 2**30, "")
    assert capsys.readouterr().err == "EASE may take 1.00 GiB.\n"
    refusal = r"^EASE may take 3\.00 GiB, and .* is 1\.00 GiB; raise it, or use gf_cf$"
    with pytest.raises(InputError, match=refusal):
        check_memory("EASE", 3 * 2**30, 2**30, "use gf_cf")
