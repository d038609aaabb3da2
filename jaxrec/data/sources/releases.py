"""How published data sets are read that are more than one file in one format."""

import dataclasses
import json
from pathlib import Path

import pandas as pd

from jaxrec.data.interactions import Dataset, Vocabulary
from jaxrec.data.sources import delimited, files, movielens, sequences, sessions
from jaxrec.data.sources.events import Columns, Files, align
from jaxrec.errors import InputError

TAGS = 5  # of an artist: those that most users gave


def ml_1m_ncf(folder: Path) -> Dataset:
    """NCF's leave-one-out split of ML-1M; its 99 negatives a user are the candidates."""
    train, test, negatives = (
        _there(folder, f"ml-1m.{name}")
        for name in ("train.rating.notime", "test.rating", "test.negative")
    )
    return delimited.read_tsv(Files(train=train, test=test, candidates=negatives), Columns())


def sasrec_ml_1m(folder: Path) -> Dataset:
    """SASRec's file of ML-1M, with the titles of ml-1m where that data set stands beside it."""
    dataset = sequences.read(Files(_there(folder, "ml-1m.txt")))
    names, movies = files.find(folder, "item_map.csv"), folder.parent / "ml-1m" / "movies.dat"
    if names is None or not movies.is_file():
        return dataset
    items = movielens.read_items(movies)
    numbers = pd.read_csv(names)
    table = numbers.merge(
        items.astype({"item": "int64"}), left_on="movie", right_on="item", how="left"
    )
    table = table[["sasrec_item", "title", "year", "genres"]]
    return _described(dataset, table, "title", names, movies)


def s3rec(folder: Path, name: str) -> Dataset:
    """An Amazon category as S3-Rec cut it, with the attributes of items."""
    dataset = sequences.read(Files(_there(folder, f"{name}.txt")))
    path = files.find(folder, f"{name}_item2attributes.json")
    if path is None:
        return dataset
    try:
        attributes = json.loads("".join(text for _, text in files.lines(path)))
    except ValueError as error:
        raise InputError(f"{path} is not JSON; fetch it again") from error
    lists = [[str(x) for x in values] for values in attributes.values()]
    table = pd.DataFrame({"item": list(attributes), "attributes": lists})
    return _described(dataset, table, None, path)


def lastfm(folder: Path) -> Dataset:
    """HetRec 2011's Last.fm: play counts, with artists' names and the tags that users gave them."""
    path = _there(folder, "user_artists.dat")
    dataset = delimited.read_tsv(Files(path), Columns("userID", "artistID", "weight"))
    artists = files.find(folder, "artists.dat")
    if artists is None:
        return dataset
    rows = [text.split("\t") for _, text in files.lines(artists)][1:]
    table = pd.DataFrame({"item": [int(row[0]) for row in rows], "name": [row[1] for row in rows]})
    tags = files.find(folder, "user_taggedartists.dat")
    if tags is not None:
        table["tags"] = table["item"].map(_top_tags(tags))
    return _described(dataset, table, "name", artists, tags)


def diginetica(folder: Path) -> Dataset:
    """Diginetica's sessions as SR-GNN cut them."""
    train, test = (
        _there(folder, f"{name}.plain.txt") for name in ("train_sessions", "test_prefix_target")
    )
    return sessions.read(Files(train=train, test=test))


def criteo(folder: Path) -> Dataset:
    """Criteo's clicks, which are no interactions."""
    raise InputError(
        f"criteo ({folder}) holds clicks on advertisements, no users and items; "
        "no model here reads such rows yet, so name another data set"
    )


def _there(folder: Path, name: str) -> Path:
    path = files.find(folder, name)
    if path is None:
        raise InputError(f"{folder} holds no {name}; fetch the data set again")
    return path


def _top_tags(path: Path) -> pd.Series:
    """The tags of each artist, those of most users first, then by number."""
    given = pd.read_csv(path, sep="\t", usecols=["artistID", "tagID"])
    counts = given.value_counts(sort=False).rename("count").reset_index()
    counts = counts.sort_values(["artistID", "count", "tagID"], ascending=[True, False, True])
    top = counts.groupby("artistID").head(TAGS)
    return top["tagID"].astype(str).groupby(top["artistID"]).agg(list)


def _described(
    dataset: Dataset, table: pd.DataFrame, title: str | None, *paths: Path | None
) -> Dataset:
    """Add a table of items, whose first column is the raw id."""
    vocabulary: Vocabulary = dataset.interactions.items
    ids = table.iloc[:, 0].to_numpy(object)
    aligned = align(table.iloc[:, 1:], ids, vocabulary.rows(ids), len(vocabulary))
    digests = dataset.sha256 | files.digests(*paths)
    return dataclasses.replace(dataset, item_table=aligned, title=title, sha256=digests)
