"""The scripts among the benchmarks run, on as little as they can; what they find is not looked at."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"

# A package that was built is tested without them.
pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not here")


def run(script: str, *arguments: str, status: int = 0) -> str:
    """Run a script and give what it printed."""
    command = [sys.executable, "-W", "error", str(BENCHMARKS / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == status, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_hit_ratio_of_files_and_synthetic_traces(tmp_path: Path) -> None:
    trace = tmp_path / "few.lis"
    trace.write_text("1 20 0 0\n" * 5)
    said = run("hit_ratio.py", "--synthetic", "--requests=300", "--sizes=5,50%", "--no-peers", str(trace))
    for name in (
        "few.lis: 100 requests for 20 keys",
        "loop: 300",
        "scan: 300",
        "mixed: 300",
        "\nlru ",
        "\nOPT ",
    ):
        assert name in said
    assert said.index("OPT") > said.index("lru")


def test_hit_ratio_of_a_trace_is_right(tmp_path: Path) -> None:
    trace = tmp_path / "keys.txt"
    trace.write_text("a\nb\na\nc\na\nb\n")
    said = run("hit_ratio.py", "--sizes=2", "--no-peers", "--reference", str(trace))
    found = {line[:18].strip(): line.split()[-1] for line in said.splitlines() if line[:1].isalpha()}
    assert (found["lru"], found["lru, reference"], found["OPT"]) == ("33.33", "33.33", "50.00")


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_hit_ratio_draws(suffix: str, tmp_path: Path) -> None:
    target = tmp_path / f"ratios.{suffix}"
    arguments = ["--synthetic", "--only=loop", "--requests=200", "--sizes=5,50", "--no-peers"]
    if importlib.util.find_spec("matplotlib") is None:
        said = run("hit_ratio.py", *arguments, f"--plot={target}", status=2)
        assert "pip install matplotlib" in said
        assert not target.exists()
    else:
        run("hit_ratio.py", *arguments, f"--plot={target}")
        assert target.stat().st_size > 1_000


@pytest.mark.parametrize(
    "arguments, says",
    [
        ([], "give files with traces, or --synthetic"),
        (["absent.lis"], "No such file"),
        (["--synthetic", "--only=zipff"], "no synthetic trace 'zipff'"),
        (["--synthetic", "--requests=0"], "at least 1"),
        (["--synthetic", "--requests=10", "--sizes=1.5"], "1.5 is no size"),
        (["--synthetic", "--requests=10", "--sizes=many"], "many"),
        (["--format=keys", str(Path(__file__).parent)], "directory"),
    ],
)
def test_hit_ratio_says_what_is_wrong(arguments: list[str], says: str) -> None:
    said = run("hit_ratio.py", *arguments, status=2)
    assert says in said
    assert "Traceback" not in said


def test_memory(tmp_path: Path) -> None:
    target = tmp_path / "figures.json"
    said = run("memory.py", "--sizes=200,500", f"--json={target}", "--growth", "--growth-sizes=100")
    assert "ours" in said
    assert "dict" in said
    found = json.loads(target.read_text())
    assert set(found["ours"]) == {"200", "500"}
    assert found["ours"]["500"]["bytes"] > 8


def test_peers_that_are_absent_are_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import peers

    table = {
        "here": dict,
        "gone": ("no_such_package", "Cache"),
        "needy": peers._package("nor_this", lambda: 1),
    }
    assert (list(peers.present(table)), peers.absent(table)) == (["here"], ["gone", "needy"])


def test_each_peer_that_is_present_works(tmp_path: Path) -> None:
    from benchmarks import disk_peers, peers

    for table in (peers.LRU, peers.OTHER_POLICIES):
        for make in peers.present(table).values():
            cache = make(10)
            cache["a"] = 1
            assert cache.get("a") == 1
            assert cache.get("b", 7) == 7
    for make in peers.present(peers.TTL).values():
        cache = make(10, 60.0)
        cache["a"] = 1
        assert cache["a"] == 1
    for name, keep in peers.installed(peers.CALLS).items():
        calls: list[int] = []
        function = keep(lambda number, calls=calls: calls.append(number) or number, 10)
        assert (function(1), function(1), calls) == (1, 1, [1]), name
    for number, name in enumerate(disk_peers.DISK):
        folder = tmp_path / str(number)
        folder.mkdir()
        cache = disk_peers.on_disk(name, str(folder))
        if cache is not None:
            cache.set("a", b"1")
            assert cache.get("a") == b"1", name
            cache.close()


# -------------------------------------------------------------------- two runs


def saved(path: Path, *benchmarks: tuple[str, float, list[tuple[str, float]]]) -> Path:
    """Save a run as pytest-benchmark does: the name and time of each benchmark, and its ratios."""
    runs: list[dict[str, Any]] = [
        {
            "fullname": name,
            "stats": {"min": time},
            "extra_info": {
                "ratios": [
                    {"what": what, "ratio": ratio, "median_ratio": ratio + 1} for what, ratio in ratios
                ]
            },
        }
        for name, time, ratios in benchmarks
    ]
    path.write_text(json.dumps({"benchmarks": runs}))
    return path


def test_compare_fails_beyond_the_threshold(tmp_path: Path) -> None:
    old = saved(
        tmp_path / "old", ("a", 1e-6, [("hit", 0.5), ("set", 1.0)]), ("b", 2e-6, []), ("gone", 1.0, [])
    )
    new = saved(
        tmp_path / "new", ("a", 9e-6, [("hit", 0.6), ("set", 0.5)]), ("b", 2e-6, []), ("new", 1.0, [])
    )
    lines = run("compare.py", str(old), str(new), status=1).splitlines()
    assert [line.split()[0] for line in lines if line.endswith("SLOWER")] == ["hit"]
    assert [line.split()[0] for line in lines if line.endswith("faster")] == ["set"]
    assert [line.split()[0] for line in lines if line.endswith("only in one")] == ["gone", "new"]
    assert "1 of 3 are slower by more than 1.15" in lines[-1]
    assert "0 of 3" in run("compare.py", str(old), str(new), "--threshold=1.3")
    assert "1 of 2" in run("compare.py", str(old), str(new), "--threshold=1.3", "--times", status=1)


def test_compare_says_what_is_wrong(tmp_path: Path) -> None:
    good, bad = saved(tmp_path / "good", ("a", 1.0, [])), tmp_path / "bad"
    other = saved(tmp_path / "other", ("b", 1.0, []))
    bad.write_text("[]")
    assert "is no run that --benchmark-json saved" in run("compare.py", str(good), str(bad), status=2)
    assert "cannot be read" in run("compare.py", str(tmp_path / "absent"), str(good), status=2)
    assert "no benchmark in common" in run("compare.py", str(good), str(other), status=2)
    assert "more than 0" in run("compare.py", str(good), str(good), "--threshold=nan", status=2)


def test_benchmarks_can_be_collected() -> None:
    """And a plain run of the tests does not run them."""
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "benchmarks"], capture_output=True, text=True, cwd=ROOT, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "benchmarks/test_ttl.py" in done.stdout
    settings = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    assert "testpaths = tests\n" in settings
