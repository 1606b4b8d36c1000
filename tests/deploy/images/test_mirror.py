"""This machine's pip settings become options of a build, and what they name on this machine is mounted."""

from pathlib import Path

from deploy.images.mirror import build_flags, settings


def test_settings_are_read_and_the_environment_comes_first() -> None:
    listed = """
        :env:.find-links='/a'
        :env:.no-input='1'
        global.cert='/c'
        global.constraint='/d'
        global.find-links='/b'
        install.index-url='https://mirror/simple'
    """
    assert settings(listed) == {"find-links": "/a", "cert": "/c", "index-url": "https://mirror/simple"}
    assert settings("") == {}


def test_folders_of_this_machine_are_mounted_read_only(tmp_path: Path) -> None:
    wheels, pages, cert = tmp_path / "wheels", tmp_path / "index" / "simple", tmp_path / "ca.crt"
    wheels.mkdir()
    pages.mkdir(parents=True)
    cert.touch()
    given = {"find-links": str(wheels), "extra-index-url": f"https://mirror/simple file://{pages}", "cert": str(cert)}
    assert build_flags(given) == [
        *("--build-arg", f"PIP_FIND_LINKS={wheels}"),
        *("--build-arg", f"PIP_EXTRA_INDEX_URL=https://mirror/simple file://{pages}"),
        *("--build-arg", f"PIP_CERT={cert}"),
        *("--volume", f"{cert}:{cert}:ro"),
        *("--volume", f"{tmp_path / 'index'}:{tmp_path / 'index'}:ro"),
        *("--volume", f"{wheels}:{wheels}:ro"),
    ]
    assert build_flags({}) == []
    assert build_flags({"index-url": "https://mirror/simple", "find-links": "/not/there"})[4:] == []
