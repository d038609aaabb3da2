"""RecTools' side of the throughput benchmark."""

import logging
import warnings

import numpy as np
import pandas as pd
import rectools
import torch
import worker
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, EASEModel, SASRecModel

THREADS = 2


def dataset_of(data):
    """Events with the places of each user's as their days."""
    frame = pd.DataFrame({Columns.User: data["user"], Columns.Item: data["item"]})
    days = pd.to_timedelta(frame.groupby(Columns.User).cumcount(), unit="D")
    frame[Columns.Weight], frame[Columns.Datetime] = 1.0, pd.Timestamp("2000-01-01") + days
    return Dataset.construct(frame)


def best(model, dataset, data):
    users = np.unique(data["user"])
    found = model.recommend(users, dataset, k=10, filter_viewed=True)
    lists = np.zeros((int(data["num_users"]), 10), np.int32)
    lists[found[Columns.User], found[Columns.Rank] - 1] = found[Columns.Item] + 1
    return lists


def ease(data, params):
    dataset = dataset_of(data)

    def once():
        return EASEModel(regularization=params["l2"], recommend_n_threads=2).fit(dataset)

    return once, lambda model: {"lists": best(model, dataset, data)}


def epochs_of(data, params, kind=SASRecModel, **own):
    """A Transformer, its data set, and what trains it on for an epoch, by the trainer alone."""
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    dataset = dataset_of(data)
    model = kind(
        n_blocks=params["layers"],
        n_heads=params["heads"],
        n_factors=params["dim"],
        dropout_rate=params["dropout"],
        session_max_len=params["length"],
        loss="softmax",
        lr=params["learning_rate"],
        batch_size=params["batch"],
        **own,
    )
    model.fit_partial(dataset, min_epochs=0, max_epochs=0)  # builds it
    batches = model.data_preparator.get_dataloader_train()

    def epoch():
        loop = model.fit_trainer.fit_loop
        loop.max_epochs = loop.epoch_progress.current.ready + 1
        loop.min_epochs = loop.max_epochs
        model.lightning_model.train()
        model.fit_trainer.fit(model.lightning_model, batches)
        return model

    return model, dataset, epoch


def sasrec(data, params):
    _, dataset, epoch = epochs_of(data, params)
    return epoch, lambda model: {"lists": best(model, dataset, data)}


def bert4rec(data, params):
    masked = {"mask_prob": params["mask_fraction"]}
    _, dataset, epoch = epochs_of(data, params, BERT4RecModel, **masked)
    return epoch, lambda model: {"lists": best(model, dataset, data)}


def sasrec_until(data, params):
    target = np.zeros(int(data["num_users"]), int)
    target[data["validation_user"]] = data["validation_item"] + 1

    def once():
        model, dataset, epoch = epochs_of(data, params)
        ask = lambda: best(model, dataset, data)  # noqa: E731
        return worker.curve(params["peer_epochs"], epoch, ask, target)

    return once, lambda model: {"lists": best(model, dataset_of(data), data)}


if __name__ == "__main__":
    makers = {
        "ease": ease,
        "sasrec": sasrec,
        "sasrec_until": sasrec_until,
        "bert4rec_rectools": bert4rec,
    }
    worker.main(makers, rectools.__version__)
