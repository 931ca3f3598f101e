"""The command as a shell sees it: what it prints where, and what it returns."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import headrace as hr
from headrace.cli import human, main
from tests.servers.places import Place

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def store(tmp_path: Path) -> hr.Store:
    made = hr.Store(tmp_path / "store")
    made.submit({"image": np.zeros((1200, 8, 8), np.uint8), "name": ["zero"] * 1200}, "digits", "1.0")
    made.submit({"image": np.ones((3, 8, 8), np.uint8), "name": ["a", "b", "c"]}, "digits", "1.1")
    made.submit([1.5, 2.5], "my numbers", "first")
    return made


def test_ls_lists_datasets_and_versions(store: hr.Store, capsys: Captured) -> None:
    assert main(["ls", str(store.path)]) == 0
    printed = capsys.readouterr()
    header, *lines = printed.out.splitlines()
    assert header.split() == ["DATASET", "VERSION", "RECORDS", "SIZE", "CREATED"]
    sizes = [human(store.manifest(*name).size) for name in (("digits", "1.0"), ("digits", "1.1"), ("my numbers",))]
    assert [re.split(r"  +", line)[:4] for line in lines] == [
        ["digits", "1.0", "1,200", sizes[0]],
        ["digits", "1.1", "3", sizes[1]],
        ["my numbers", "first", "2", sizes[2]],
    ]
    assert printed.err == ""


def test_show_describes_a_version_and_its_first_records(store: hr.Store, capsys: Captured) -> None:
    assert main(["show", str(store.path), "digits", "1.0", "-n", "2"]) == 0
    printed = capsys.readouterr().out
    for expected in (
        "digits, version 1.0\n",
        "records      1,200\n",
        "in 1 part\n",
        "schema       {image: uint8[8, 8], name: string}\n",
        store.manifest("digits", "1.0").fingerprint,
        f"by Headrace {hr.__version__} with NumPy {np.__version__}\n",
        "0  [[0, 0, 0, 0, ...], ...]  'zero'\n1  [[0, 0, 0, 0, ...], ...]  'zero'\n",
    ):
        assert expected in printed
    assert main(["show", str(store.path), "digits"]) == 0
    assert "digits, version 1.1 (the newest)" in capsys.readouterr().out
    assert main(["show", str(store.path), "my numbers", "--records", "0"]) == 0
    assert capsys.readouterr().out.count("\n") == 6


def test_show_says_what_a_version_replaces(store: hr.Store, capsys: Captured) -> None:
    old = store.manifest("digits", "1.0")
    store.submit([], "digits", "1.0", replace=True)
    assert main(["show", str(store.path), "digits", "1.0"]) == 0
    assert f"replaces     {old.digest}\n" in capsys.readouterr().out


def test_verify_counts_the_parts(store: hr.Store, capsys: Captured) -> None:
    assert main(["verify", str(store.path)]) == 0
    assert main(["verify", str(store.path), "digits", "1.0"]) == 0
    assert capsys.readouterr().out == (
        "3 parts checked: everything is as it was written\n1 part checked: everything is as it was written\n"
    )


def test_verify_lists_the_damage_and_fails(store: hr.Store, capsys: Captured) -> None:
    damaged = sorted(store.path.glob("objects/*/image.npy"))
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-1])
    assert main(["verify", str(store.path)]) == 1
    printed = capsys.readouterr()
    assert sorted(line.split(" has ")[0] for line in printed.out.splitlines()) == list(map(str, damaged))
    assert printed.err == f"headrace: 2 damaged in {store.path}\n"


def test_ls_goes_on_behind_a_damaged_manifest_and_fails(store: hr.Store, capsys: Captured) -> None:
    (store.path / "datasets/digits/1.0.json").write_text("{")
    assert main(["ls", str(store.path)]) == 1
    printed = capsys.readouterr()
    assert "cannot be read" in printed.out
    assert "my numbers" in printed.out
    assert printed.err.count("\n") == 1
    assert "1.0.json is damaged" in printed.err


FAILURES = {
    "no store": (["ls", "{}/nowhere"], "there is no store at"),
    "a file for a store": (["ls", "{}/store/lock"], "is a file, and a store is a folder"),
    "no dataset": (["show", "{}/store", "digit"], "no dataset 'digit' in .*Did you mean 'digits'?"),
    "no version": (["show", "{}/store", "digits", "2"], "no version '2' of 'digits'.*there are '1.0', '1.1'"),
    "nothing to verify": (["verify", "{}/store", "other"], "no dataset 'other'"),
    "a name that leaves the folder": (["show", "{}/store", "../x"], "would leave the store's folder"),
    "no log": (["log", "{}/store", "other"], "no dataset 'other'"),
    "nothing to list": (["ls", "{}/store", "other"], "no dataset 'other'"),
    "nothing to compare": (["diff", "{}/store", "digits", "1.0", "3"], "no version '3'"),
    "no such key": (["diff", "{}/store", "digits", "1.0", "1.1", "--key", "nam"], "no column 'nam'.*'name'"),
    "no tag": (["untag", "{}/store", "digits", "best"], "no tag 'best' of 'digits'; there are none"),
    "a version for a tag": (["tag", "{}/store", "digits", "1.0", "1.1"], "cannot be a tag as well"),
    "nothing to delete": (["rm", "{}/store", "digits", "2"], "no version '2'"),
    "no time": (["gc", "{}/store", "--grace", "long"], "grace"),
    "nothing to measure": (["du", "{}/store", "other"], "no dataset 'other'"),
    "nothing to copy": (["copy", "{}/store", "digits", "2", "{}/other"], "no version '2'"),
    "another version there": (["copy", "{}/store", "digits", "1.0", "{}/other"], "holds other records"),
    "no format": (["export", "{}/store", "digits", "{}/x"], "says nothing of the format: add --format"),
    "something at the path": (["export", "{}/store", "digits", "{}/file.parquet"], "is there already"),
    "no such place": (["ls", "nowhere://x"], "nowhere"),
    "an endpoint for a folder": (["ls", "{}/store", "--endpoint", "http://x"], "endpoint= is for stores at a URL"),
}


@pytest.mark.parametrize(("arguments", "message"), FAILURES.values(), ids=FAILURES)
def test_failures_are_one_line_on_standard_error(
    store: hr.Store, tmp_path: Path, capsys: Captured, arguments: list[str], message: str
) -> None:
    hr.Store(tmp_path / "other").submit([0], "digits", "1.0")
    (tmp_path / "file.parquet").touch()
    assert main([argument.format(store.path.parent) for argument in arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert re.match(f"headrace: .*{message}", printed.err)


@pytest.mark.parametrize(
    "arguments", [[], ["list"], ["ls"], ["show", "x"], ["show", "x", "y", "-n", "-1"], ["--nix"], ["copy", "x"]]
)
def test_wrong_use_is_answered_with_the_usage(capsys: Captured, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: headrace" in capsys.readouterr().err


def test_help_shows_examples_and_every_command(capsys: Captured) -> None:
    for arguments, expected in (
        (["--help"], ["ls", "show", "verify", "demo", "examples:", "exit codes:", "headrace show ~/data digits"]),
        (["ls", "--help"], ["STORE"]),
        (["show", "--help"], ["STORE", "ID", "VERSION", "--records"]),
        (["verify", "--help"], ["STORE", "ID", "VERSION"]),
        (["demo", "--help"], ["--store", "scikit-learn"]),
        (["copy", "--help"], ["ID", "[VERSION]", "TO", "--tags", "--endpoint", "--to-endpoint", "--option"]),
        (["export", "--help"], ["PATH", "--format", "--replace"]),
        (["gc", "--help"], ["--yes", "--grace"]),
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        printed = capsys.readouterr().out
        assert all(word in printed for word in expected)


def test_a_secret_that_is_written_wrong_is_not_shown(capsys: Captured) -> None:
    with pytest.raises(SystemExit):
        main(["ls", "s3://bucket", "--option", "secret"])
    printed = capsys.readouterr().err
    assert "must be KEY=VALUE" in printed
    assert "secret" not in printed


def said(capsys: Captured, *arguments: object) -> str:
    """Run a command that goes well, and return what it prints."""
    assert main([str(one) for one in arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    return printed.out


def go_through(capsys: Captured, tmp_path: Path, *place: str) -> None:
    """Run every command on a store that has two versions of ``points``."""
    url, *more = place
    assert said(capsys, "log", url, "points", *more).startswith("points: 2 versions\nVERSION")
    assert "1 changed: id 2\n" in said(capsys, "diff", url, "points", "1", "2", "--key", "id", *more)
    assert said(capsys, "tag", url, "points", "1", "best", *more) == "'best' is version '1' of 'points'\n"
    listed = said(capsys, "ls", url, "points", *more).splitlines()
    assert [re.split("  +", line)[:3] for line in listed[1:]] == [["points", "1", "3"], ["points", "2", "4"]]
    assert listed[1].endswith("UTC  best")
    assert "tags         best\n" in said(capsys, "show", url, "points", "best", *more)
    assert "made from    version 1\n" in said(capsys, "show", url, "points", "2", *more)
    assert re.search(r"points +2 +4 +\d", said(capsys, "du", url, *more))
    assert said(capsys, "verify", url, *more).endswith("parts checked: everything is as it was written\n")
    target = tmp_path / "copied"
    for _ in range(2):
        copied = said(capsys, "copy", url, "points", "best", target, "--tags", *more)
        assert copied == f"version '1' of 'points' is in {target}: 3 records\n"
    assert hr.Store(target).tags("points") == {"best": "1"}
    for version, path in (("1", "a.parquet"), ("2", "b.arrow")):
        exported = said(capsys, "export", url, "points", version, tmp_path / path, *more)
        assert exported.startswith(f"version {version!r} of 'points' is in {tmp_path / path}: ")
    said(capsys, "export", url, "points", tmp_path / "shards", "--format", "webdataset", *more)
    assert [path.name for path in (tmp_path / "shards").iterdir()] == ["shards-000000.tar"]
    assert said(capsys, "untag", url, "points", "best", *more) == "'best' is no tag of 'points' any more\n"
    assert said(capsys, "rm", url, "points", "1", *more) == "version '1' of 'points' is deleted\n"
    would = said(capsys, "gc", url, "--grace", "0", *more)
    assert re.match(r"\d parts of .* would go", would)
    assert re.match(r"\d parts of .* are gone\n", said(capsys, "gc", url, "--grace", "0", "--yes", *more))
    assert said(capsys, "gc", url, "--grace", "0", *more) == "0 parts of 0 B would go\n"
    assert len(said(capsys, "ls", url, *more).splitlines()) == 2


def points(store: hr.Store) -> None:
    store.submit({"id": [1, 2, 3], "x": [0.5, 1.5, 2.5]}, "points", "1")
    store.derive("points", "1", "2", append={"id": [4], "x": [3.5]}, update={"id": [2], "x": [9.0]}, key="id")


def test_every_command_works_on_a_folder(tmp_path: Path, capsys: Captured) -> None:
    points(hr.Store(tmp_path / "store"))
    go_through(capsys, tmp_path, str(tmp_path / "store"))


@pytest.mark.servers
def test_every_command_works_on_s3(tmp_path: Path, capsys: Captured, s3: Place) -> None:
    url, cache = s3.fresh(), str(tmp_path / "cache")
    points(hr.Store(url, endpoint=s3.endpoint, options=s3.options, cache=cache))
    told = [text for key, value in s3.options.items() for text in ("--option", f"{key}={value}")]
    more = ["--endpoint", str(s3.endpoint), "--cache", cache, *told]
    assert "holds" in said(capsys, "du", url, *more).splitlines()[-1]
    to = [text.replace("--endpoint", "--to-endpoint").replace("--option", "--to-option") for text in more]
    to = to[:2] + to[4:]
    local = tmp_path / "local"
    hr.Store(local).submit([1, 2], "from here", "1")
    there = said(capsys, "copy", local, "from here", url, *to, "--compression", "zstd", "--cache", cache)
    assert there == f"version '1' of 'from here' is in {url}: 2 records\n"
    said(capsys, "rm", url, "from here", "1", *more)
    go_through(capsys, tmp_path, url, *more)
    done = subprocess.run([sys.executable, "-m", "headrace", "ls", url, *more], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "points   2" in done.stdout
    assert main(["ls", f"{url.split('some')[0][:-1]}x/y", *more]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_bars_are_shown_to_who_looks(store: hr.Store, tmp_path: Path, capsys: Captured) -> None:
    store.verify(progress=True)
    store.copy("digits", "1.0", to=hr.Store(tmp_path / "other"), progress=True)
    store.export("digits", "1.0", tmp_path / "out", "webdataset", progress=True)
    shown = capsys.readouterr().err
    assert all(f"{what}: " in shown for what in ("verify", "copy digits 1.0", "export digits 1.0"))
    assert "0%|" in shown  # what is done at once is gone before it is shown again
    store.verify()
    assert capsys.readouterr().err == ""


def test_one_damaged_version_hides_no_other(store: hr.Store, capsys: Captured) -> None:
    (store.path / "datasets/digits/1.0.json").write_text("{")
    for arguments, expected in ((["log", "digits"], "1.1"), (["du"], "my numbers"), (["show", "digits", "1.1"], "1.1")):
        code = main([arguments[0], str(store.path), *arguments[1:]])
        printed = capsys.readouterr()
        assert expected in printed.out
        if arguments[0] != "show":
            assert code == 1
            assert re.fullmatch(r"headrace: .*1\.0\.json is damaged.*\n", printed.err)


def test_version_is_that_of_the_package(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"headrace {hr.__version__}\n"


def test_an_empty_store_is_no_failure(tmp_path: Path, capsys: Captured) -> None:
    assert main(["ls", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path} has no datasets\n"


def test_it_runs_as_a_module(store: hr.Store) -> None:
    command = [sys.executable, "-m", "headrace", "verify", str(store.path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("3 parts checked")


def test_a_reader_that_leaves_early_is_no_error_to_see(store: hr.Store) -> None:
    command = [sys.executable, "-m", "headrace", "show", str(store.path), "digits", "1.0", "-n", "1200"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.close()  # before anything is printed
        assert running.stderr is not None
        assert running.stderr.read() == b""
        assert running.wait() == 141


def test_an_interrupt_ends_it_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "datasets/data").mkdir(parents=True)
    os.mkfifo(tmp_path / "datasets/data/1.json")  # reading it waits for ever
    command = [sys.executable, "-m", "headrace", "ls", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        writing = _wait_for_a_reader(tmp_path / "datasets/data/1.json")
        while running.poll() is None:  # a signal that comes right before a call that waits is seen after it only
            running.send_signal(signal.SIGINT)
            time.sleep(0.1)
        _, complaint = running.communicate()
    os.close(writing)
    assert running.returncode == 130
    assert complaint == b""


def _wait_for_a_reader(pipe: Path) -> int:
    """Wait until somebody reads from a pipe, and return its writing end."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            time.sleep(0.02)
    raise AssertionError(f"the command never came to read {pipe}")


def test_sizes_are_for_people() -> None:
    sizes = {0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 10**18: "1000.0 PB"}
    assert {size: human(size) for size in sizes} == sizes
