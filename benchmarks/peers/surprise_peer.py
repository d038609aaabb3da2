"""Surprise's side of the throughput benchmark, at its defaults as in its own table."""

import numpy as np
import surprise
import worker
from surprise import SVD, Dataset, KNNBaseline, Reader


def ratings(make):
    """Fit on the training ratings, and predict those of the test."""

    def of(data, params):
        train, test = (
            list(zip(*(data[prefix + x].tolist() for x in ("user", "item", "value"))))
            for prefix in ("", "test_")
        )
        dataset = Dataset(Reader(rating_scale=(1, 5)))
        trainset = dataset.construct_trainset([(*rating, None) for rating in train])

        def once():
            return make().fit(trainset).test(test)

        return once, lambda found: {"predictions": np.array([x.est for x in found])}

    return of


if __name__ == "__main__":
    svd = ratings(lambda: SVD(random_state=0))
    knn = ratings(lambda: KNNBaseline(verbose=False))
    worker.main({"svd": svd, "knn_ratings": knn}, surprise.__version__)
