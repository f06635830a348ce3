"""Programs built from pinned sources, and images built and loaded without a registry."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from localcluster import base_image, debian, pip_settings
from localcluster.cli import main
from localcluster.golang import go_version
from localcluster.images import IMAGES, Loading, loading_for, pick
from localcluster.pause_image import write_image
from localcluster.programs import KUBERNETES, sources_key
from localcluster.saying import ClusterError
from localcluster.sources import Sources, allowed_paths


def test_another_pinned_source_gives_another_cache_folder(tmp_path: Path) -> None:
    (tmp_path / "go.sum").write_text("k8s.io/kubernetes v1.36.3")
    before = sources_key(tmp_path)
    (tmp_path / "go.sum").write_text("k8s.io/kubernetes v1.36.4")
    assert sources_key(tmp_path) != before


def test_programs_are_named_by_the_end_of_their_package() -> None:
    assert KUBERNETES.programs == (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "pause",
    )


@pytest.mark.parametrize(("text", "version"), [("go1.26.8\n", (1, 26)), ("go1.27rc1", (1, 27)), ("", (0, 0))])
def test_a_go_version_is_read(text: str, version: tuple[int, int]) -> None:
    assert go_version(text) == version


def test_only_packages_of_missing_programs_are_installed(tmp_path: Path) -> None:
    (tmp_path / "present").touch()
    programs = {str(tmp_path / "present"): "one", str(tmp_path / "missing"): "two", "no-such-program-x": "two"}
    assert debian.missing_packages(programs) == ("two",)


def test_the_pause_image_is_an_archive_that_runs_the_program_as_nobody(tmp_path: Path) -> None:
    (tmp_path / "pause").write_bytes(b"program")
    write_image(tmp_path / "pause", "localhost/pause:1", tmp_path / "image.tar")
    files = unpack((tmp_path / "image.tar").read_bytes())
    (image,) = json.loads(files["manifest.json"])
    config = json.loads(files[image["Config"]])
    assert image["RepoTags"] == ["localhost/pause:1"]
    assert config["config"] == {"Entrypoint": ["/pause"], "User": "65535:65535"}
    assert unpack(files[image["Layers"][0]]) == {"pause": b"program"}


def unpack(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {entry.name: extracted.read() for entry in archive if (extracted := archive.extractfile(entry))}


def test_the_base_image_forgets_the_machine_it_was_made_on(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "resolv.conf").write_text("nameserver 192.0.2.53")
    (tmp_path / "usr" / "share" / "doc" / "x").mkdir(parents=True)
    base_image.strip(tmp_path)
    assert not (tmp_path / "etc" / "resolv.conf").exists()
    assert list((tmp_path / "usr" / "share" / "doc").iterdir()) == []


def test_pip_settings_of_the_environment_win_over_those_of_files() -> None:
    listing = ":env:.index-url='https://env.invalid/simple'\n:env:.cert='/x'\nglobal.index-url='https://file.invalid/simple'\n"
    assert pip_settings.parse_settings(listing) == {"index-url": "https://env.invalid/simple"}


def test_a_build_trusts_what_the_host_trusts() -> None:
    text = pip_settings.render({"index-url": "https://index.invalid/simple", "default-timeout": "180"})
    assert text == (
        "[global]\nindex-url = https://index.invalid/simple\ntimeout = 180\ncert = /etc/ssl/certs/ca-certificates.crt\n"
    )


def test_a_folder_of_packages_is_shown_to_the_build_only_when_there_is_something_in_it(tmp_path: Path) -> None:
    assert pip_settings.local_folders({"find-links": str(tmp_path)}) == ()
    (tmp_path / "one.whl").touch()
    assert pip_settings.local_folders({"find-links": f"{tmp_path} https://links.invalid"}) == (tmp_path,)


def test_all_images_are_made_when_none_is_named() -> None:
    assert pick([]) == IMAGES
    assert [image.reference("dev") for image in pick(["modelrollout-operator"])] == [
        "localhost/modelrollout-operator:dev"
    ]


def test_an_image_nobody_knows_is_refused_with_those_there_are() -> None:
    expected = "there is no image modelrollout-sever; the images are modelrollout-server, modelrollout-operator"
    with pytest.raises(ClusterError, match=expected):
        pick(["modelrollout-sever"])


@pytest.mark.parametrize(
    ("context", "environ", "loading"),
    [
        ("minikube", {}, Loading(("minikube", "image", "load", "--profile=minikube"))),
        ("kind-dev", {}, Loading(("kind", "load", "image-archive", "--name=dev"))),
        ("k3d-a-b", {}, Loading(("k3d", "image", "import", "--cluster=a-b"))),
        ("office", {"IMAGE_REPO": "registry.invalid/ml/"}, Loading(repository="registry.invalid/ml")),
    ],
    ids=["minikube", "kind", "k3d", "a registry"],
)
def test_the_context_tells_how_an_image_gets_in(context: str, environ: dict[str, str], loading: Loading) -> None:
    assert loading_for(context, environ) == loading


def test_a_context_without_a_way_in_is_told_to_name_a_registry() -> None:
    expected = (
        "context office is neither minikube's nor kind's nor k3d's: set IMAGE_REPO to a registry it can pull from"
    )
    with pytest.raises(ClusterError, match=expected):
        loading_for("office", {})


def test_asking_for_a_kubeconfig_without_a_cluster_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["kubeconfig"]) == 1
    assert capsys.readouterr().err == "error: no cluster is up; bring one up with `make cluster-up`\n"


def test_an_image_is_built_on_those_of_ours_that_its_dockerfile_names(tmp_path: Path) -> None:
    sources = sources_in(tmp_path)
    assert sources.parents() == ()
    sources.dockerfile.write_text("ARG IMAGE=localhost/modelrollout-server:dev\nFROM ${IMAGE}")
    assert sources.parents() == ("localhost/modelrollout-server:dev",)


def sources_in(folder: Path) -> Sources:
    (folder / "app").mkdir()
    (folder / "Dockerfile").write_text("FROM base")
    (folder / "app" / "main.py").write_text("print()")
    return Sources(folder / "Dockerfile", folder)


def test_an_image_is_built_again_when_a_source_changed(tmp_path: Path) -> None:
    sources = sources_in(tmp_path)
    before = sources.key()
    (tmp_path / "app" / "main.py").write_text("print(1)")
    assert sources.key() != before


def test_an_image_is_not_built_again_for_what_its_dockerignore_shuts_out(tmp_path: Path) -> None:
    sources = sources_in(tmp_path)
    (tmp_path / ".dockerignore").write_text("# comment\n*\n!app\n")
    before = sources.key()
    (tmp_path / "notes.txt").write_text("elsewhere")
    (tmp_path / "app" / "__pycache__").mkdir()
    (tmp_path / "app" / "__pycache__" / "main.pyc").touch()
    assert sources.key() == before


def test_a_newly_allowed_path_belongs_to_the_sources(tmp_path: Path) -> None:
    sources = sources_in(tmp_path)
    (tmp_path / ".dockerignore").write_text("*\n!app\n")
    before = sources.key()
    (tmp_path / ".dockerignore").write_text("*\n!app\n!more\n")
    assert sources.key() != before


@pytest.mark.parametrize("text", ["out/\n", "*\n!app/*.py\n", ""], ids=["only exclusions", "a pattern", "empty"])
def test_a_dockerignore_of_another_kind_narrows_nothing(text: str) -> None:
    assert allowed_paths(text) is None
