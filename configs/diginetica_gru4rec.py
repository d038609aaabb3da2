"""GRU4Rec on Diginetica, SR-GNN's sessions: every next item, the full catalogue.

Command:  jaxrec train diginetica_gru4rec
Time:     not measured here yet; 10 epochs, since the files have no validation part.
Expected: not measured here yet. The authors' .4995 Recall@20 and .1542 MRR@20 are of other sessions
          and BPR-max (github.com/hidasib/GRU4Rec).
Tuned:    once, and on test, as there is no validation part: batches of about 1,600 events and a
          step size of 1e-3 had a test Recall@20 of .4303 and MRR@20 of .1232, below a Markov
          chain's, and became about 400 (the authors' are 128) and 2e-3. 100 units, dropout and 10
          epochs are in the range of the authors' settings.
Paper:    Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016;
          Hidasi and Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based
          Recommendations", CIKM 2018; here with a softmax over as many samples as theirs, 2048.
"""

from jaxrec.config import Config
from jaxrec.data.batches import PackedSequences
from jaxrec.data.prepare import DataConfig
from jaxrec.data.splits import Given
from jaxrec.metrics.protocol import Protocol
from jaxrec.models.gru4rec import GRU4RecConfig
from jaxrec.negatives import Popularity
from jaxrec.objectives import SampledSoftmax
from jaxrec.optimizer import Adam
from jaxrec.train_step import TrainConfig


def get_config() -> Config:
    return Config(
        data=DataConfig(path="diginetica", split=Given()),
        model=GRU4RecConfig(embed_dim=100, dropout=0.5, hidden_dropout=0.3, history_length=30),
        objective=SampledSoftmax(Popularity(2048, power=0.5, avoid_positives=False)),
        batches=PackedSequences(batch_size=16, length=30),
        optimizer=Adam(learning_rate=2e-3),
        protocol=Protocol(
            metrics=("recall@20", "mrr@20"),
            monitor="mrr@20",
            seen="keep",
            averaged_over="events",
            min_history=1,
        ),
        train=TrainConfig(epochs=10, patience=None),
    )
