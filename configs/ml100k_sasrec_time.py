"""SASRec told the time between events, on MovieLens-100K: ml100k_sasrec with such positions.

Command:  jaxrec train ml100k_sasrec_time
Time:     not measured here yet; ml100k_sasrec takes about 2 minutes on two CPU cores.
Expected: not measured here yet.
Tuned:    no; all but the positions is that of ml100k_sasrec.
Paper:    the positions are HSTU's bias of attention, Zhai et al., "Actions Speak Louder than
          Words", ICML 2024; for the rest, see ml100k_sasrec.
"""

import dataclasses

from jaxrec.config import Config, load_config


def get_config() -> Config:
    base = load_config("ml100k_sasrec")
    return dataclasses.replace(base, model=dataclasses.replace(base.model, positions="time"))
