"""The digest of code: it follows imports, and nothing but them."""

from __future__ import annotations

import pytest

from cortexclip.runtime import provenance


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of our name: a imports b inside a function, b imports the subpackage's c; d stands alone."""
    root = tmp_path / "cortexclip"
    (root / "sub").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "a.py": "import numpy\n\ndef f():\n    from cortexclip import b\n",
        "b.py": "from cortexclip.sub.c import x\n",
        "sub/__init__.py": "",
        "sub/c.py": "x = 1\n",
        "d.py": "import cortexclip.a\n",
    }
    for name, text in files.items():
        (root / name).write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", root)
    return root


@pytest.fixture(autouse=True)
def fresh():
    for function in (provenance._content, provenance._imported, provenance.modules_used):
        function.cache_clear()
    yield
    for function in (provenance._content, provenance._imported, provenance.modules_used):
        function.cache_clear()


def test_the_closure_follows_imports_inside_functions(package):
    names = {"__init__", "a", "b", "sub/__init__", "sub/c"}
    assert provenance.modules_used("cortexclip.a") == {f"cortexclip/{name}.py" for name in names}


@pytest.mark.parametrize(
    ("changed", "module", "differs"), [("sub/c.py", "a", True), ("d.py", "a", False), ("a.py", "d", True)]
)
def test_the_digest_changes_with_what_is_used_alone(package, changed, module, differs):
    before = provenance.code_digest(f"cortexclip.{module}")
    provenance._content.cache_clear()
    (package / changed).write_text((package / changed).read_text() + "# a remark\n")
    assert (provenance.code_digest(f"cortexclip.{module}") != before) == differs


def test_a_module_that_is_not_there_is_named(package):
    with pytest.raises(ModuleNotFoundError, match="cortexclip_z"):
        provenance.code_digest("cortexclip_z")


def test_a_module_from_elsewhere_counts_by_its_source_and_what_it_uses_of_ours(package, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_method.py").write_text("from cortexclip import b\n")
    before = provenance.code_digest("my_method")
    provenance._content.cache_clear()
    (package / "sub/c.py").write_text("x = 2\n")
    assert provenance.code_digest("my_method") != before


def test_a_method_uses_its_own_network_and_no_other():
    used = provenance.modules_used("cortexclip.methods.cccv1")
    assert "cortexclip/methods/cccv1/network.py" in used
    assert "cortexclip/methods/clip_encoder/network.py" not in used
    stage = provenance.modules_used("cortexclip.stages.train")
    assert not any(name.startswith("cortexclip/figures") for name in stage)
    assert "cortexclip/methods/ridge.py" not in stage


def test_whether_a_method_needs_torch_is_seen_in_its_source():
    assert provenance.uses("torch", "cortexclip.methods.cccv1")
    assert provenance.uses("torch", "cortexclip.methods.brain_diffuser")  # inside a function
    assert not provenance.uses("torch", "cortexclip.methods.ridge")
