"""LSTM: GRU4Rec with a long short-term memory (Hochreiter & Schmidhuber 1997) as its cell."""

from dataclasses import dataclass

from jaxrec.encoders import rnn
from jaxrec.models.gru4rec import GRU4Rec, GRU4RecConfig
from jaxrec.typing import Spec


@dataclass(frozen=True)
class LSTMConfig(GRU4RecConfig):
    """The sizes of an LSTM, which are GRU4Rec's."""

    def build(self, spec: Spec) -> "LSTM":
        return LSTM(self, spec)


class LSTM(GRU4Rec):
    """Recurrent layers, dot product with the item table that also embeds the history."""

    cell = rnn.LSTM
