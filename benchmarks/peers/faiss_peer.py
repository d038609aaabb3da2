"""faiss' side of the throughput benchmark: a flat index, which is exact, on two threads."""

import faiss
import numpy as np
import worker

faiss.omp_set_num_threads(2)


def search(data, params):
    users = np.ascontiguousarray(data["user_factors"][: params["users"]])
    index = faiss.IndexFlatIP(users.shape[1])
    index.add(np.ascontiguousarray(data["item_factors"]))
    return (
        lambda: index.search(users, params["k"])[1],
        lambda found: {"lists": found + 1},
    )


if __name__ == "__main__":
    worker.main({"search": search}, faiss.__version__)
