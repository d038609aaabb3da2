"""RecBole's side of the throughput benchmark, through its own trainer and loaders."""

import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import recbole
import torch
import worker
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

THREADS = 2
SETTINGS = {"state": "ERROR", "show_progress": False, "use_gpu": False, "metrics": ["NDCG"]}
FULL = {"eval_args": {"mode": "full", "order": "RO", "split": {"RS": [0.8, 0.1, 0.1]}}}
LAST = {"eval_args": {"mode": "full", "order": "TO", "split": {"LS": "valid_and_test"}}}
PARTS = {"train": "", "valid": "validation_", "test": "test_"}


def config_of(model, folder, settings):
    given = {"data_path": str(folder), **SETTINGS, **settings}
    arguments, sys.argv = sys.argv, sys.argv[:1]
    config = Config(model=model, dataset="data", config_dict=given)
    sys.argv = arguments
    init_seed(config["seed"], config["reproducibility"])
    logging.disable(logging.INFO)
    torch.set_num_threads(THREADS)
    return config


def loaded(config):
    dataset = create_dataset(config)
    train, _, test = data_preparation(config, dataset)
    model = get_model(config["model"])(config, train.dataset).to(config["device"])
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    trainer.eval_collector.data_collect(train)
    return dataset, train, test, trainer


def general(model, data, settings):
    """Load the parts as they are split."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "data")
        place.mkdir()
        for part, prefix in PARTS.items():
            columns = {f"{x}_id:token": data[f"{prefix}{x}"] for x in ("user", "item")}
            pd.DataFrame(columns).to_csv(place / f"data.{part}.inter", sep="\t", index=False)
        settings = {"benchmark_filename": list(PARTS), **FULL, **settings}
        return loaded(config_of(model, folder, settings))


def best(data, dataset, trainer, k=10):
    """The k best items of each user that it has not in training, in the ids of `data`."""
    users, items = (dataset.field2id_token[f"{x}_id"][1:].astype(int) for x in ("user", "item"))
    row = np.zeros(int(data["num_items"]), int)
    row[items] = np.arange(1, len(items) + 1)
    known = pd.Series(row[data["item"]]).groupby(data["user"]).apply(np.array)
    lists = np.zeros((int(data["num_users"]), k), np.int32)
    trainer.model.eval()
    trainer.tot_item_num = dataset.item_num
    trainer.item_tensor = dataset.get_item_feature()
    for start in range(0, len(users), 64):
        asked = users[start : start + 64]
        rows = torch.arange(start + 1, start + 1 + len(asked))
        question = recbole.data.interaction.Interaction({"user_id": rows})
        own = [known[user] for user in asked]
        places = np.repeat(np.arange(len(asked)), [len(x) for x in own])
        history = torch.from_numpy(places), torch.from_numpy(np.concatenate(own))
        with torch.no_grad():
            scores = trainer._full_sort_batch_eval((question, history, None, None))[1]
        lists[asked] = items[scores.topk(k)[1].numpy() - 1] + 1
    return lists


def training(model, own):
    """Epochs of a general recommender."""

    def of(data, params):
        settings = {
            "train_batch_size": params["batch"],
            "learning_rate": params["learning_rate"],
            **own(params),
        }
        dataset, train, _, trainer = general(model, data, settings)
        epochs = iter(range(10**6))

        def once():
            return trainer._train_epoch(train, next(epochs))

        return once, lambda _: {"lists": best(data, dataset, trainer)}

    return of


def graph(params):
    return {"embedding_size": params["dim"], "n_layers": params["layers"], "reg_weight": 0.0}


def autoencoder(params):
    return {
        "train_neg_sample_args": None,
        "mlp_hidden_size": list(params["hidden"]),
        "latent_dimension": 2 * params["dim"],  # means and variances
        "dropout_prob": 0.5,
        "anneal_cap": 0.2,
        "total_anneal_steps": 200_000,
    }


def neumf_settings(params):
    return {
        "mf_train": False,  # only the MLP: what ours has
        "mlp_embedding_size": params["dim"],
        "mlp_hidden_size": params["hidden"],
        "dropout_prob": 0.0,
    }


def neumf_ranking(data, params):
    settings = {"train_batch_size": params["batch"], **neumf_settings(params)}
    dataset, train, test, trainer = general("NeuMF", data, settings)
    trainer._train_epoch(train, 0)
    return (
        lambda: trainer.evaluate(test, load_best_model=False),
        lambda _: {"lists": best(data, dataset, trainer)},
    )


def sequential(model, own, targets=len):
    """Some steps of an epoch, whose seconds are told for a million targets.

    Each example is a prefix of a user's events. own: the settings that the work's params make;
    targets: counts those of a batch, of which each example has one if nothing else is said.
    """

    def of(data, params):
        events = [
            np.concatenate([data[f"{x}{y}"] for x in PARTS.values()]) for y in ("user", "item")
        ]
        order = np.argsort(events[0], kind="stable")
        columns = {
            "user_id:token": events[0][order],
            "item_id:token": events[1][order],
            "timestamp:float": np.arange(len(order)),
        }
        settings = {
            **LAST,
            "train_neg_sample_args": None,
            "train_batch_size": params["batch"],
            "learning_rate": params["learning_rate"],
            "MAX_ITEM_LIST_LENGTH": params["length"],
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            **own(params),
        }
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "data").mkdir()
            file = Path(folder, "data", "data.inter")
            pd.DataFrame(columns).to_csv(file, sep="\t", index=False)
            _, train, _, trainer = loaded(config_of(model, folder, settings))

        def once():
            counts = []

            def batches():
                for batch in islice(train, params["peer_steps"]):
                    counts.append(int(targets(batch)))
                    yield batch

            began = time.perf_counter()
            trainer._train_epoch(batches(), 0)
            seconds = time.perf_counter() - began
            positions = sum(counts)
            return worker.Told(None, {"seconds": seconds / positions * 1e6, "positions": positions})

        return once, lambda _: {}

    return of


def transformer(params):
    return {
        "hidden_size": params["dim"],
        "inner_size": params["dim"] * params["mlp_ratio"],
        "n_layers": params["layers"],
        "n_heads": params["heads"],
        "hidden_dropout_prob": params["dropout"],
        "attn_dropout_prob": 0.0,
    }


def bert(params):
    # ft_ratio: the share of batches that hide the last item only; no more than one target a row.
    return {**transformer(params), "mask_ratio": params["mask_fraction"], "ft_ratio": 0}


def gru(params):
    sizes = {"embedding_size": params["dim"], "hidden_size": params["hidden"]}
    return {**sizes, "dropout_prob": params["dropout"]}


def filters(params):
    sizes = {"embedding_size": params["dim"], "nh": params["horizontal"], "nv": params["vertical"]}
    return {**sizes, "dropout_prob": params["dropout"]}


def csv(data, params):
    """A tenth of the events, in a process of its own; what it took is scaled."""

    def once():
        command = [sys.executable, "-W", "ignore", __file__, "--load", params["peer_folder"]]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
        scale = params["events"] / params["peer_events"]
        return worker.Told(None, {name: x * scale for name, x in found.items()})

    return once, lambda _: {}


def load(folder):
    """Load and split one file; the memory is what this took beyond the libraries."""
    columns = {"load_col": {"inter": ["user_id", "item_id", "rating", "timestamp"]}}
    config = config_of("BPR", folder, {**LAST, **columns})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    dataset = create_dataset(config)
    data_preparation(config, dataset)
    seconds = time.perf_counter() - began
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    print(json.dumps({"seconds": seconds, "peak_gib": peak}))


if __name__ == "__main__":
    # RecBole writes logs and checkpoints where it runs.
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        if sys.argv[1] == "--load":
            load(sys.argv[2])
        else:
            makers = {
                "mf_bpr": training("BPR", lambda params: {"embedding_size": params["dim"]}),
                "lightgcn": training("LightGCN", graph),
                "mult_vae": training("MultiVAE", autoencoder),
                "neumf": training("NeuMF", neumf_settings),
                "neumf_ranking": neumf_ranking,
                "sasrec_position": sequential("SASRec", transformer),
                "gru4rec": sequential("GRU4Rec", gru),
                "caser": sequential("Caser", filters),
                "bert4rec": sequential(
                    "BERT4Rec", bert, targets=lambda batch: (batch["MASK_INDEX"] > 0).sum()
                ),
                "csv": csv,
            }
            worker.main(makers, recbole.__version__)
