"""Nothing that a file or a name holds is ever run: no pickles, safe YAML, names that no shell can read otherwise.

What text from data becomes in Markdown, HTML and LaTeX is tested with the tables, foreign archives with their readers,
and pickled weights with the encoders.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cortexclip.configuration.config import CATALOGUES
from cortexclip.configuration.schema import check, read_yaml
from cortexclip.errors import InputError
from cortexclip.runtime.provenance import PACKAGE

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(PACKAGE.rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN_CALLS = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}


def calls(tree: ast.AST):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(PACKAGE)) for path in SOURCES])
def test_no_module_runs_what_it_reads(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not FORBIDDEN_MODULES & {module.split(".")[0] for module in modules}
    for name, words in calls(tree):
        assert name not in FORBIDDEN_CALLS
        assert words.get("shell", "False") == "False", f"{name}(shell=...)"
        assert words.get("allow_pickle", "False") == "False"
        if name == "torch.load" or name.endswith("load_checkpoint"):
            assert words.get("weights_only") == "True", name


def test_the_search_would_find_them():
    tree = ast.parse("subprocess.run('x', shell=True); torch.load(p, weights_only=True); eval(x)")
    assert dict(calls(tree)) == {
        "subprocess.run": {"shell": "True"},
        "torch.load": {"weights_only": "True"},
        "eval": {},
    }


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.mkdir", "!!python/object/new:os.mkdir"])
def test_yaml_that_would_run_code_is_refused(tmp_path, tag):
    (tmp_path / "config.yaml").write_text(f"datasets: {tag} [{tmp_path}/made]\n")
    with pytest.raises(InputError, match="not valid YAML"):
        read_yaml(tmp_path / "config.yaml")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("kind", CATALOGUES)
@pytest.mark.parametrize("name", ["a;touch x", "$(touch x)", "a b", "../a", "a/b", "a'b", "-a", "a\nb", "{a}", ""])
def test_a_name_that_a_shell_or_a_path_could_read_otherwise_is_refused(kind, name):
    known = read_yaml(ROOT / f"config/{kind}.yaml")
    entry = next(iter(known.values()))
    check({"fine_name": entry}, kind, kind)
    with pytest.raises(InputError):
        check({name: entry}, kind, kind)


def test_every_text_in_a_command_is_quoted():
    """Words from files and configuration carry :q; the rest are numbers, digests and names that the schemas limit."""
    plain = {"threads", "resources.gpu_mem_mb", "wildcards.protocol", "wildcards.dataset", "ROOT"}
    plain |= {
        f"params.{name}" for name in ("base_seed", "seed", "seeds", "resamples", "save_weights", "code", "images")
    }
    plain |= {f"params.{name}" for name in ("figures", "features", "pool", "encoder", "optimistic", "source", "corpus")}
    commands = 0
    for path in sorted((ROOT / "workflow/rules").glob("*.smk")):
        for command in re.findall(r"^ +shell:\n((?: +\".*\n)+)", path.read_text(), flags=re.MULTILINE):
            commands += 1
            for word in re.findall(r"\{([^{}]+)\}", command):
                assert word.endswith(":q") or word in plain, f"{path.name}: {{{word}}}"
    assert commands > 10
