"""The command line: what it prints and writes; every mistake is one sentence and exit code 2."""

import csv
import json
import random
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from jaxrec.cli import main
from jaxrec.workdir import locked

USERS, ITEMS = 30, 20


def _events(seed=0):
    """Each user walks the ring of items, so that what comes next is known."""
    draw = random.Random(seed)
    for user in range(1, USERS + 1):
        start = draw.randrange(ITEMS)
        for step in range(8):
            yield [f"u{user}", 100 + (start + step) % ITEMS, draw.randint(1, 5), 1000 + 10 * step]


def _csv(path, rows, header=("user", "item", "rating", "timestamp")):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return _csv(tmp_path_factory.mktemp("source") / "events.csv", _events())


def _train(config, source, workdir, *more):
    data = ["--data.format", "csv", "--data.path", str(source)]
    return main(["train", config, "--workdir", str(workdir), *data, *more])


QUICK = ["--train.epochs", "2", "--model.embed-dim", "8", "--batches.batch-size", "64"]


@pytest.fixture(scope="module")
def popularity(source, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "popularity"
    assert _train("ml100k_popularity", source, workdir) == 0
    return workdir


@pytest.fixture(scope="module")
def mf(source, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "mf"
    assert _train("ml100k_mf", source, workdir, *QUICK) == 0
    return workdir


def _refused(capsys, argv):
    """Run a command that must fail, and return its one sentence."""
    capsys.readouterr()
    try:
        code = main(argv)
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err
    assert code == 2, said
    assert "Traceback" not in said
    assert len(said.strip().splitlines()) == 1, said
    return said


# The commands ------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy():
    script = (
        "import sys; from jaxrec.cli import build_parser; build_parser().format_help();"
        "heavy = {'jax', 'flax', 'optax', 'numpy', 'pandas', 'scipy', 'tyro', 'orbax', 'rich'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_python_dash_m_shows_the_commands():
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "jaxrec", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert time.monotonic() - began < 10
    for command in ("train", "tune", "evaluate", "recommend", "data", "report"):
        assert command in done.stdout


def test_help_of_a_config_lists_its_fields(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "ml100k_mf", "--help"])
    assert not stop.value.code
    shown = capsys.readouterr().out
    assert "--workdir" in shown
    assert "--model.embed-dim" in shown


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_any_csv_of_user_item_rating_time_trains(tmp_path, columns):
    header = ["user", "item", "rating", "timestamp"][:columns]
    path = _csv(tmp_path / "mine.csv", [row[:columns] for row in _events()], header)
    assert _train("ml100k_mf", path, tmp_path / "run", *QUICK) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 0 <= metrics["test"]["ndcg@10"] <= 1


def test_train_says_device_and_metrics(source, tmp_path, capsys):
    assert _train("ml100k_popularity", source, tmp_path / "run") == 0
    said = capsys.readouterr().out
    assert "cpu" in said
    assert "ndcg@10" in said
    assert str(tmp_path / "run") in said


def test_the_default_workdir_is_named_after_the_config(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["train", "ml100k_popularity", "--data.format", "csv", "--data.path", str(source)]
    assert main(argv) == 0
    assert (tmp_path / "runs" / "ml100k_popularity" / "metrics.json").exists()


def test_seeds_report_mean_and_sd(source, tmp_path, capsys):
    assert _train("ml100k_mf", source, tmp_path / "run", *QUICK, "--seeds", "2") == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    runs = [
        json.loads((tmp_path / "run" / f"seed-{n}" / "metrics.json").read_text()) for n in (0, 1)
    ]
    mean = sum(run["test"]["ndcg@10"] for run in runs) / 2
    assert metrics["test"]["ndcg@10"] == pytest.approx(mean)
    assert "±" in capsys.readouterr().out


def test_evaluate_merges_the_same_metrics(mf, capsys):
    before = json.loads((mf / "metrics.json").read_text())
    assert main(["evaluate", str(mf)]) == 0
    assert json.loads((mf / "metrics.json").read_text()) == before
    assert f"{before['test']['ndcg@10']:.4f}" in capsys.readouterr().out
    assert main(["evaluate", str(mf), "--split", "validation"]) == 0
    assert json.loads((mf / "metrics.json").read_text()) == before


def test_recommend_answers_in_each_format(mf, capsys):
    capsys.readouterr()
    assert main(["recommend", str(mf), "--user", "u1", "u2", "-k", "3", "--format", "json"]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert list(answers) == ["u1", "u2"]
    assert all(len(found) == 3 and set(found[0]) == {"item", "score"} for found in answers.values())
    assert main(["recommend", str(mf), "--user", "u1", "-k", "3", "--format", "csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [int(row["item"]) for row in rows] == [entry["item"] for entry in answers["u1"]]
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert main(["recommend", str(mf), "--user", "u1", "-k", "3"]) == 0
    table = capsys.readouterr().out
    assert all(str(entry["item"]) in table for entry in answers["u1"])


def test_recommend_writes_all_users_to_a_file_whole(mf, tmp_path, capsys):
    out = tmp_path / "all.json"
    assert main(["recommend", str(mf), "--all-users", "-k", "2", "--out", str(out)]) == 0
    answers = json.loads(out.read_text())
    assert len(answers) == USERS
    assert all(len(found) == 2 for found in answers.values())
    assert [path.name for path in tmp_path.iterdir()] == ["all.json"]


def test_recommend_answers_a_history_and_an_unknown_user(popularity, capsys):
    capsys.readouterr()
    argv = ["recommend", str(popularity), "--format", "json"]
    assert main([*argv, "--history", "100,101"]) == 0
    [found] = json.loads(capsys.readouterr().out).values()
    assert len(found) == 10
    assert not {100, 101} & {entry["item"] for entry in found}
    assert main([*argv, "--user", "nobody", "--fallback", "popularity"]) == 0
    assert len(json.loads(capsys.readouterr().out)["nobody"]) == 10


def test_data_shows_and_converts(source, tmp_path, capsys):
    out = tmp_path / "events.parquet"
    assert main(["data", str(source), "--out", str(out), "--rows", "3"]) == 0
    shown = capsys.readouterr().out
    assert f"{8 * USERS:,} events, {USERS:,} users, {ITEMS:,} items" in shown
    assert main(["data", str(out)]) == 0
    again = capsys.readouterr().out
    assert again.splitlines()[1:-6] == shown.splitlines()[1:-5]


def test_ctrl_c_ends_with_130(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("jaxrec.commands.load_config", interrupt)
    assert main(["train", "ml100k_mf"]) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_late_reads_of_a_damaged_checkpoint_are_not_reported(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    assert main(["data", "nowhere.csv"]) == 2
    late, other = (
        SimpleNamespace(exc_value=RuntimeError(text)) for text in ("Event loop is closed", "other")
    )
    sys.unraisablehook(late)
    sys.unraisablehook(other)
    assert reported == [other]


# Mistakes ----------------------------------------------------------------------------------------


def _bad_file(name, folder):
    rows = list(_events())
    path = folder / "bad.csv"
    match name:
        case "missing":
            return path
        case "empty":
            path.write_text("")
        case "header":
            _csv(path, [])
        case "column":
            _csv(path, rows, ("who", "thing", "rating", "timestamp"))
        case "rating":
            rows[6][2] = "good"
            _csv(path, rows)
        case "nan-time" | "infinite-time":
            rows[6][3] = "nan" if name == "nan-time" else "inf"
            _csv(path, rows)
        case "binary":
            path.write_bytes(bytes(range(256)) * 40)
        case "one-user":
            _csv(path, [["u1", *row[1:]] for row in rows])
        case "one-item":
            _csv(path, [[row[0], 100, *row[2:]] for row in rows])
        case "short":
            _csv(path, [[f"u{n}", 100 + n % 5, 1, n] for n in range(20)])
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", ["bad.csv"]),
        ("empty", ["bad.csv"]),
        ("header", []),
        ("column", ["who", "thing", "rating", "timestamp"]),
        ("rating", ["good", "8"]),
        ("nan-time", []),
        ("infinite-time", []),
        ("binary", ["bad.csv"]),
        ("one-user", ["user"]),
        ("one-item", ["item"]),
        ("short", []),
    ],
)
def test_bad_data_is_one_sentence(name, words, tmp_path, capsys):
    path = _bad_file(name, tmp_path)
    argv = ["train", "ml100k_popularity", "--workdir", str(tmp_path / "run")]
    said = _refused(capsys, [*argv, "--data.format", "csv", "--data.path", str(path)])
    assert all(word in said for word in words), said
    said = _refused(capsys, ["data", str(path)]) if name not in ("short",) else said


def test_a_torn_parquet_file_is_one_sentence(source, tmp_path, capsys):
    path = tmp_path / "events.parquet"
    assert main(["data", str(source), "--out", str(path)]) == 0
    whole = path.read_bytes()
    for size in (0, 3, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert "events.parquet" in _refused(capsys, ["data", str(path)])


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        ([], "COMMAND"),
        (["fly"], "fly"),
        (["train"], "CONFIG"),
        (["train", "ml100k_mg"], "; did you mean ml100k_mf? The names are "),
        (["train", "nowhere/mine.py"], "nowhere/mine.py"),
        (["train", "ml100k_mf", "--model.embeddim", "3"], "--model.embed-dim"),
        (["train", "ml100k_mf", "--sed", "3"], "--seed"),
        (["train", "ml100k_mf", "--model.embed-dim", "wide"], "wide"),
        (["train", "ml100k_mf", "--model.embed-dim", "-1"], "embed_dim"),
        (["train", "ml100k_mf", "--model.embed-dim", "0"], "embed_dim"),
        (["train", "ml100k_mf", "--batches.batch-size", "0"], "batch_size"),
        (["train", "ml100k_mf", "--optimizer.learning-rate", "-1"], "learning_rate"),
        (["train", "ml100k_mf", "--optimizer.learning-rate", "nan"], "learning_rate"),
        (["train", "ml100k_mf", "--train.epochs", "0"], "epochs"),
        (["train", "ml100k_mf", "--train.ema-decay", "1.5"], "ema_decay"),
        (["train", "ml100k_mf", "--protocol.metrics", "ndgc@10"], "ndgc@10"),
        (["train", "ml100k_mf", "--protocol.metrics", "ndcg@0"], "ndcg@0"),
        (["train", "ml100k_mf", "--protocol.monitor", "joy@3"], "joy@3"),
        (["train", "ml100k_mf", "--protocol.ties", "maybe"], "maybe"),
        (["train", "ml100k_mf", "--seeds", "0"], "--seeds"),
        (["train", "ml100k_mf", "--seeds", "two"], "two"),
        (["train", "ml100k_mf", "--data.format", "xls"], "xls"),
        (["train", "ml100k_popularity", "--tensorboard"], "--tensorboard"),
        (["train", "ml100k_popularity", "--profile"], "--profile"),
        (["train", "ml100k_item_knn", "--wandb"], "--wandb"),
        (["train", "ml100k_popularity", "--train.model-parallel", "2"], "--train.model-parallel"),
        (["train", "ml100k_sasrec", "--model.dropout", "1"], "dropout"),
        (["train", "ml100k_sasrec", "--model.dropout", "-0.1"], "dropout"),
        (["train", "ml100k_sasrec", "--model.num-layers", "-1"], "num_layers"),
        (["train", "ml100k_sasrec", "--batches.length", "0"], "length"),
        (["evaluate", "nowhere"], "nowhere"),
        (["evaluate", "nowhere", "--split", "train"], "train"),
        (["recommend", "nowhere", "--user", "1"], "nowhere"),
        (["recommend", "nowhere"], "--user"),
        (["recommend", "nowhere", "--user", "1", "--all-users"], "--all-users"),
        (["recommend", "nowhere", "--user", "1", "-k", "0"], "-k"),
        (["recommend", "nowhere", "--user", "1", "--out", "best.parquet"], "best.parquet"),
        (["data", "nowhere.csv"], "nowhere.csv"),
        (["data", ""], "--data.path"),
        (["data", "nowhere.csv", "--rows", "-1"], "--rows is -1"),
        (["data", "nowhere.csv", "--rows", "0"], "--rows is 0"),
        (["data", "nowhere.csv", "--out", "events.xlsx"], "events.xlsx"),
        (["report", "nowhere"], "nowhere"),
        (["report", "nowhere", "--junk"], "--junk"),
    ],
)
def test_a_bad_command_is_one_sentence(argv, word, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert word in _refused(capsys, argv)
    assert not list(tmp_path.iterdir())


def test_an_unknown_id_is_one_sentence(popularity, mf, capsys):
    assert "nobody" in _refused(capsys, ["recommend", str(mf), "--user", "u1", "nobody"])
    assert "nothing" in _refused(capsys, ["recommend", str(popularity), "--history", "nothing"])
    assert "--fallback" in _refused(capsys, ["recommend", str(mf), "--history", "100"])
    argv = ["recommend", str(popularity), "--user", "u1", "--allow", "nothing"]
    assert "nothing" in _refused(capsys, argv)


def test_the_workdir_of_another_config_is_one_sentence(source, popularity, capsys):
    data = ["--data.format", "csv", "--data.path", str(source)]
    argv = ["train", "ml100k_item_knn", "--workdir", str(popularity), *data]
    assert str(popularity) in _refused(capsys, argv)
    argv = ["train", "ml100k_popularity", "--workdir", str(popularity), *data, "--seed", "4"]
    assert "seed" in _refused(capsys, argv)


def test_an_unfinished_run_is_one_sentence(mf, tmp_path, capsys):
    half = tmp_path / "half"
    half.mkdir()
    (half / "config.json").write_text((mf / "config.json").read_text())
    assert "half" in _refused(capsys, ["recommend", str(half), "--user", "u1"])


def test_a_second_process_in_a_workdir_is_one_sentence(source, tmp_path, capsys):
    with locked(tmp_path / "run"):
        argv = ["train", "ml100k_popularity", "--workdir", str(tmp_path / "run")]
        said = _refused(capsys, [*argv, "--data.format", "csv", "--data.path", str(source)])
    assert str(tmp_path / "run") in said


def _tear(checkpoint):
    for path in checkpoint.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def test_a_truncated_checkpoint_falls_back_and_says_so(source, tmp_path, capsys):
    workdir = tmp_path / "run"
    assert _train("ml100k_mf", source, workdir, *QUICK) == 0
    kept = json.loads((workdir / "metrics.json").read_text())["checkpoint"]
    folders = sorted((workdir / kept["directory"]).glob("[0-9]*"), key=lambda path: int(path.name))
    assert len(folders) >= 2
    best = workdir / kept["directory"] / str(kept["step"])
    _tear(best)
    capsys.readouterr()
    assert main(["recommend", str(workdir), "--user", "u1", "--format", "json"]) == 0
    captured = capsys.readouterr()
    assert f"heckpoint {kept['step']}" in captured.err
    assert json.loads(captured.out)
    for folder in folders:
        _tear(folder)
    capsys.readouterr()
    assert main(["recommend", str(workdir), "--user", "u1"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "no readable checkpoint" in said.splitlines()[-1]
