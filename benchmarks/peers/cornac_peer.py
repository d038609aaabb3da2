"""Cornac's side of the throughput benchmark, on two threads."""

import cornac
import numpy as np
import worker
from cornac.data import Dataset
from cornac.models import BPR

THREADS = 2


def events(data):
    """The training events as Cornac keeps them, under the rows of `data`."""
    shape = int(data["num_users"]), int(data["num_items"])
    rows = [{row: row for row in range(size)} for size in shape]
    triples = data["user"], data["item"], np.ones(len(data["user"]), np.float32)
    return Dataset(*shape, *rows, triples, seed=0)


def bpr(data, params):
    train = events(data)
    found = {}

    def once():
        model = BPR(
            k=params["dim"],
            max_iter=params["epochs"],
            learning_rate=params["learning_rate"],
            lambda_reg=params["regularization"],
            num_threads=THREADS,
            init_params=dict(found),  # goes on with the factors it has
            seed=0,
        ).fit(train)
        found.update(U=model.u_factors, V=model.i_factors, Bi=model.i_biases)
        return model

    return once, lambda model: {"lists": best(model, data, 10)}


def best(model, data, k):
    """The k best items of each user that it has not in training, in the ids of `data`."""
    scores = model.u_factors @ model.i_factors.T + model.i_biases
    scores[data["user"], data["item"]] = -np.inf
    order = np.argpartition(-scores, k)[:, :k]
    places = np.argsort(-np.take_along_axis(scores, order, 1))
    return (np.take_along_axis(order, places, 1) + 1).astype(np.int32)


if __name__ == "__main__":
    worker.main({"bpr_cornac": bpr}, cornac.__version__)
