"""Data sets known by name: where they are looked for, how they are read, under which licence."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from jaxrec.data.interactions import Dataset
from jaxrec.data.sources import citeulike, files, lightgcn, movielens, releases
from jaxrec.data.sources.events import Files
from jaxrec.data.sources.fetch import fetch_ml_100k
from jaxrec.errors import InputError

Say = Callable[[str], None]

MOVIELENS = (
    "MovieLens: for research; no redistribution, and no commercial use without the permission of "
    "GroupLens; cite Harper and Konstan (2015), doi.org/10.1145/2827872"
)
UNCLEAR = "published for research, without a clear licence"
GROUPLENS = "https://grouplens.org/datasets/movielens/"


@dataclass(frozen=True)
class Named:
    """A data set: its folder, the files (also as .gz) that show that it is there, its reader."""

    folder: str
    needs: tuple[str, ...]
    read: Callable[[Path], Dataset]
    licence: str
    source: str
    fetch: Callable[[Path, Say], None] | None = None

    def is_here(self, folder: Path) -> bool:
        if not self.needs:
            return movielens.is_here(folder)
        return all(files.find(folder, name) for name in self.needs)


def _movielens(folder: Path) -> Dataset:
    return movielens.read(Files(folder))


def _lightgcn(folder: Path) -> Dataset:
    return lightgcn.read(Files(folder))


_LIGHTGCN = (("train.txt", "test.txt"), _lightgcn)
_CITEULIKE = f"CiteULike: {UNCLEAR}; cite Wang, Chen and Li (2013)"
_S3REC = f"Amazon reviews: {UNCLEAR}; cite McAuley et al. (2015)"

NAMED = {
    "ml-100k": Named("ml-100k", (), _movielens, MOVIELENS, GROUPLENS, fetch_ml_100k),
    **{
        name: Named(name, (), _movielens, MOVIELENS, GROUPLENS)
        for name in (
            "ml-1m",
            "ml-10m",
            "ml-20m",
            "ml-25m",
            "ml-32m",
            "ml-latest",
            "ml-latest-small",
        )
    },
    "sasrec-ml-1m": Named(
        "sasrec-ml-1m",
        ("ml-1m.txt",),
        releases.sasrec_ml_1m,
        MOVIELENS,
        "github.com/kang205/SASRec",
    ),
    "ml-1m-ncf": Named(
        "ml-1m-ncf",
        ("ml-1m.train.rating.notime", "ml-1m.test.rating", "ml-1m.test.negative"),
        releases.ml_1m_ncf,
        MOVIELENS,
        "github.com/hexiangnan/neural_collaborative_filtering",
    ),
    "ml-1m-ultragcn": Named("ml-1m-ultragcn", *_LIGHTGCN, MOVIELENS, "github.com/xue-pai/UltraGCN"),
    "gowalla": Named(
        "gowalla",
        *_LIGHTGCN,
        f"Gowalla check-ins: {UNCLEAR}; cite Cho, Myers and Leskovec (2011)",
        "github.com/kuandeng/LightGCN",
    ),
    "beauty": Named(
        "s3rec",
        ("Beauty.txt",),
        partial(releases.s3rec, name="Beauty"),
        _S3REC,
        "github.com/RUCAIBox/CIKM2020-S3Rec",
    ),
    "sports": Named(
        "s3rec",
        ("Sports_and_Outdoors.txt",),
        partial(releases.s3rec, name="Sports_and_Outdoors"),
        _S3REC,
        "github.com/RUCAIBox/CIKM2020-S3Rec",
    ),
    "lastfm": Named(
        "lastfm-hetrec2011",
        ("user_artists.dat",),
        releases.lastfm,
        "Last.fm, HetRec 2011: non-commercial; cite Cantador, Brusilovsky and Kuflik (2011)",
        "https://grouplens.org/datasets/hetrec-2011/",
    ),
    "diginetica": Named(
        "diginetica",
        ("train_sessions.plain.txt", "test_prefix_target.plain.txt"),
        releases.diginetica,
        f"Diginetica, CIKM Cup 2016: {UNCLEAR}",
        "github.com/CRIPAC-DIG/SR-GNN",
    ),
    "citeulike": Named(
        "citeulike-t", ("users.dat",), citeulike.read, _CITEULIKE, "github.com/js05212/citeulike-t"
    ),
    **{
        f"citeulike-p{density}": Named(
            "citeulike-t",
            (f"cvae/cf-train-{density}-users.dat", f"cvae/cf-test-{density}-users.dat"),
            partial(citeulike.read, density=density),
            _CITEULIKE,
            "github.com/eelxpeng/CollaborativeVAE",
        )
        for density in (1, 10)
    },
    "criteo": Named(
        "criteo-10k",
        ("train_examples.txt",),
        releases.criteo,
        f"Criteo Kaggle 2014: {UNCLEAR}",
        "https://www.kaggle.com/c/criteo-display-ad-challenge",
    ),
}


def read(name: str, say: Say) -> Dataset:
    """Find, or fetch, and read a data set; its licence is said when it is first used."""
    named = NAMED[name]
    folder = find(named)
    if folder is None:
        if named.fetch is None:
            looked = " and ".join(str(root / named.folder) for root in roots())
            raise InputError(
                f"{name} is not in {looked}; get it from {named.source} and unpack it into one of "
                "these, or set JAXREC_DATA to the folder that holds it"
            )
        folder = cache() / named.folder
        named.fetch(folder, say)
    _say_licence(name, named.licence, say)
    return dataclasses.replace(named.read(folder), name=name, licence=named.licence)


def find(named: Named) -> Path | None:
    """Return the folder of the data set, under $JAXREC_DATA or in the user's cache."""
    folders = (root / named.folder for root in roots())
    return next((folder for folder in folders if named.is_here(folder)), None)


def roots() -> list[Path]:
    """The folders in which data sets are looked for, the first one that has it wins."""
    given = os.environ.get("JAXREC_DATA")
    return ([Path(given).expanduser()] if given else []) + [cache()]


def cache() -> Path:
    """The user's cache of jaxrec: $XDG_CACHE_HOME/jaxrec, or ~/.cache/jaxrec."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "jaxrec"


def _say_licence(name: str, licence: str, say: Say) -> None:
    marker = cache() / "licences" / name
    if marker.exists():
        return
    say(f"licence of {name}: {licence}")
    try:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.write_text(licence + "\n")
    except OSError:
        return  # a cache that cannot be written only means that the licence is said again
