"""implicit's side of the throughput benchmark, on two threads."""

import implicit
import numpy as np
import worker
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix

THREADS = 2


def matrix(data):
    ones = np.ones(len(data["user"]), np.float32)
    shape = int(data["num_users"]), int(data["num_items"])
    # Built from pairs, duplicates are added up: an event is an event.
    known = csr_matrix((ones, (data["user"], data["item"])), shape)
    known.data[:] = 1
    return known


def lists(model, known, k):
    users = np.arange(known.shape[0])
    found, _ = model.recommend(users, known, N=k, filter_already_liked_items=True)
    return {"lists": found + 1}


def ials(data, params):
    known = matrix(data)

    def once():
        model = AlternatingLeastSquares(
            factors=params["dim"],
            iterations=params["sweeps"],
            alpha=params["alpha"],
            regularization=params["regularization"],
            num_threads=THREADS,
            random_state=0,
        )
        model.fit(known, show_progress=False)
        return model

    return once, lambda model: lists(model, known, 10)


def bpr(data, params):
    known = matrix(data)
    model = BayesianPersonalizedRanking(
        factors=params["dim"],
        iterations=params["epochs"],
        learning_rate=params["learning_rate"],
        regularization=params["regularization"],
        num_threads=THREADS,
        random_state=0,
    )
    return (
        lambda: model.fit(known, show_progress=False),  # goes on with the factors it has
        lambda _: lists(model, known, 10),
    )


def item_knn(data, params):
    known = matrix(data)

    def once():
        model = CosineRecommender(K=params["neighbours"], num_threads=THREADS)
        model.fit(known, show_progress=False)
        return model

    return once, lambda model: lists(model, known, 10)


def factorised(data):
    """A model of given factors."""
    model = AlternatingLeastSquares(factors=data["user_factors"].shape[1], num_threads=THREADS)
    model.user_factors, model.item_factors = data["user_factors"], data["item_factors"]
    return model


def top_100(data, params):
    model, known = factorised(data), matrix(data)
    return lambda: lists(model, known, params["k"]), lambda found: found


def search(data, params):
    model, users = factorised(data), np.arange(params["users"])
    return (
        lambda: model.recommend(users, None, N=params["k"], filter_already_liked_items=False)[0],
        lambda found: {"lists": found + 1},
    )


if __name__ == "__main__":
    makers = {"ials": ials, "bpr": bpr, "item_knn": item_knn, "top_100": top_100, "search": search}
    worker.main(makers, implicit.__version__)
