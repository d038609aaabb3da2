"""keras-rs' side of the throughput benchmark: its layers, in Keras on the JAX backend."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import keras_rs
import numpy as np
import worker


class TwoTowers(keras.Model):
    """A tower for users, one for items; the scores of every pair of a batch."""

    def __init__(self, data, params):
        super().__init__()
        self.towers = [
            keras.Sequential(
                [
                    keras.layers.Embedding(int(data[f"num_{who}"]), params["dim"]),
                    keras.layers.Dense(params["hidden"], activation="relu"),
                    keras.layers.Dense(params["dim"]),
                ]
            )
            for who in ("users", "items")
        ]
        counts = np.bincount(data["item"], minlength=int(data["num_items"]))
        self.share = keras.ops.convert_to_tensor(counts / counts.sum(), "float32")
        self.correct = keras_rs.layers.SamplingProbabilityCorrection(epsilon=1e-9)
        self.remove_hits = keras_rs.layers.RemoveAccidentalHits()

    def call(self, pair):
        user, item = pair["user"], pair["item"]
        vectors = [tower(ids) for tower, ids in zip(self.towers, (user, item))]
        scores = keras.ops.matmul(vectors[0], keras.ops.transpose(vectors[1]))
        labels = keras.ops.eye(keras.ops.shape(user)[0])
        scores = self.correct(scores, keras.ops.take(self.share, item)[None, :])
        return self.remove_hits(scores, labels, item)


def loss(labels, scores):
    labels = keras.ops.eye(keras.ops.shape(scores)[0])
    return keras.losses.categorical_crossentropy(labels, scores, from_logits=True)


def two_towers(data, params):
    keras.utils.set_random_seed(0)
    model = TwoTowers(data, params)
    optimizer = keras.optimizers.Adam(params["learning_rate"])
    model.compile(optimizer=optimizer, loss=loss)
    pairs = {who: data[who].astype(np.int32) for who in ("user", "item")}
    labels = np.zeros(len(pairs["user"]), np.float32)

    def once():
        model.fit(pairs, labels, batch_size=params["batch"], epochs=1, shuffle=True, verbose=0)

    def answers(_):
        rows = [np.arange(int(data[f"num_{who}"])) for who in ("users", "items")]
        users, items = (np.asarray(tower(own)) for tower, own in zip(model.towers, rows))
        scores = users @ items.T
        scores[data["user"], data["item"]] = -np.inf
        return {"lists": np.argsort(-scores, axis=1)[:, :10] + 1}

    return once, answers


if __name__ == "__main__":
    worker.main({"two_towers": two_towers}, keras_rs.__version__)
