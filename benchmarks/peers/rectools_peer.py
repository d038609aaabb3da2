"""RecTools' side of the throughput benchmark."""

import numpy as np
import pandas as pd
import rectools
import worker
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel


def ease(data, params):
    frame = pd.DataFrame(
        {
            Columns.User: data["user"],
            Columns.Item: data["item"],
            Columns.Weight: 1.0,
            Columns.Datetime: "2000-01-01",
        }
    )
    dataset = Dataset.construct(frame)

    def once():
        return EASEModel(regularization=params["l2"], recommend_n_threads=2).fit(dataset)

    def answers(model):
        users = np.unique(data["user"])
        found = model.recommend(users, dataset, k=10, filter_viewed=True)
        lists = np.zeros((int(data["num_users"]), 10), np.int32)
        lists[found[Columns.User], found[Columns.Rank] - 1] = found[Columns.Item] + 1
        return {"lists": lists}

    return once, answers


if __name__ == "__main__":
    worker.main({"ease": ease}, rectools.__version__)
