"""``python -m serving up|down|status``: the endpoint of a state folder."""

import argparse
import sys
from pathlib import Path

from serving import endpoint
from serving.errors import EndpointError, RegistryError, UnavailableError
from serving.listening import LOOPBACK
from serving.registry import Registry


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, 1 for a failure, 3 for ``status`` of an endpoint that is not up."""
    options = _parser().parse_args(arguments)
    try:
        return {"up": _up, "down": _down, "status": _status}[options.command](options)
    except (EndpointError, RegistryError, UnavailableError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving", description="The endpoint of a state folder.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary in (
        ("up", "serve a version; replaces the one that is served"),
        ("down", "stop serving"),
        ("status", "say whether the endpoint runs and answers"),
    ):
        command = commands.add_parser(name, help=summary, description=summary)
        command.add_argument("--state", type=Path, default=Path("state"), help="state folder (default: state)")
        if name == "up":
            command.add_argument("--port", type=int, help="HTTP port (default: a free one)")
            command.add_argument("--host", default=LOOPBACK, help="address to listen at (default: this machine only)")
            command.add_argument("--version", help="version (default: the champion)")
            command.add_argument("--model", help="registered model (default: the only one, or the one served last)")
            command.add_argument("--tracking-uri", help="MLflow (default: the state folder's database)")
            command.add_argument("--store-config", type=Path, help="feature_store.yaml with absolute paths")
    return parser


def _up(options: argparse.Namespace) -> int:
    state: Path = options.state
    database = state / "mlflow" / "mlflow.db"
    if options.tracking_uri is None and not database.is_file():
        raise RegistryError(f"{database}: expected the registry of a run; found none. Run `make demo` first.")
    tracking_uri = options.tracking_uri or f"sqlite:///{database.resolve()}"
    name = options.model or _only_model(tracking_uri, state)
    served = endpoint.up(
        state, tracking_uri, name, options.version, options.store_config, options.port, host=options.host
    )
    print(f"up: {served.name} version {served.version}, process {served.pid}")
    print(f"{served.url}\ngRPC {served.grpc}")
    return 0


def _down(options: argparse.Namespace) -> int:
    print("down: stopped" if endpoint.down(options.state) else "down: was not running")
    return 0


def _status(options: argparse.Namespace) -> int:
    found = endpoint.status(options.state)
    served = found.endpoint
    print(found.state if served is None else f"{found.state}: {served.name} version {served.version}\n{served.url}")
    return 0 if found.state == "up" else 3


def _only_model(tracking_uri: str, state: Path) -> str:
    """The one registered model; of several, the one that this state folder's endpoint served last."""
    names = Registry(tracking_uri).names()
    if len(names) == 1:
        return names[0]
    last = endpoint.last_served(state)
    if last in names:
        return last
    raise RegistryError(f"registry: expected one model; found {', '.join(names) or 'none'}. Name one with --model.")


if __name__ == "__main__":
    sys.exit(main())
