"""Which warehouse: the target of profiles.yml that dbt uses too, so that the two cannot disagree.

dbt-core is not imported for it (2 s); profiles.yml is small enough to render with jinja.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import yaml


class TargetError(Exception):
    """profiles.yml or the target is missing or unusable; the message says what was looked for."""


@dataclass(frozen=True)
class Target:
    """A target of profiles.yml, and the two databases in it."""

    name: str
    host: str
    port: int | None
    user: str
    password: str
    secure: bool
    send_receive_timeout: int
    schema: str  # database of the models
    raw_schema: str  # database of the raw tables
    verify: bool = True  # the server's certificate; with TLS only
    client_cert: str | None = None  # file of the certificate that says who we are, instead of a password
    client_cert_key: str | None = None
    settings: dict[str, Any] = field(default_factory=dict, hash=False)  # of every statement; with a server only
    cluster: str | None = None  # as the server names it; every table is on all of its shards

    @property
    def everywhere(self) -> str:
        """What a statement says behind its database or table to be run on all nodes of a cluster; empty elsewhere."""
        return f" on cluster '{self.cluster}'" if self.cluster else ""

    @property
    def is_replicated(self) -> bool:
        """Whether tables of the cluster have replicated engines."""
        return str(self.settings.get("default_table_engine", "")).startswith("Replicated")

    @property
    def shadow_schema(self) -> str:
        """Database in which `publish` builds, and keeps what was there before."""
        return f"{self.schema}_shadow"


def project_folder() -> Path:
    """Where dbt would work: DBT_PROJECT_DIR, else the nearest folder upwards with a dbt_project.yml, else here."""
    if given := os.environ.get("DBT_PROJECT_DIR"):
        return Path(given).absolute()
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dbt_project.yml").exists()), here)


def read_target(name: str | None = None, profiles_dir: Path | None = None) -> Target:
    """Read the named target, or the profile's default. Raises TargetError."""
    path = _profiles_file(profiles_dir)
    try:
        profiles = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TargetError(f"{path} cannot be read: {error}") from None
    try:
        profile = profiles["polyledger"]
        name = name or _render(profile["target"])
        outputs = dict(profile["outputs"])
    except (KeyError, TypeError, ValueError):
        raise TargetError(
            f"{path} has no profile polyledger with target and outputs; copy it from the project"
        ) from None
    if name not in outputs:
        raise TargetError(f"there is no target {name[:80]!r} in {path}; it has: {', '.join(outputs)}")
    if not isinstance(outputs[name], dict):
        raise TargetError(f"target {name!r} in {path} is not a mapping of settings; copy it from the project")
    given = {key: _render(value) if isinstance(value, str) else value for key, value in outputs[name].items()}
    host = str(given.get("host", "localhost"))
    if not host.startswith("chdb:") and not re.fullmatch(r"[\w.:\[\]-]+", host, re.ASCII):
        # It is not repeated: an address may hold a password.
        raise TargetError(f"host of the target {name!r} must be a host name only (CLICKHOUSE_HOST), not an address")
    return Target(
        name=name,
        host=host,
        port=_whole("port", given["port"]) if given.get("port") else None,
        user=str(given.get("user", "default")),
        password=str(given.get("password", "")),
        secure=_is_true(given.get("secure", "false")),
        send_receive_timeout=_whole("send_receive_timeout", given.get("send_receive_timeout", 300)),
        schema=_identifier(str(given.get("schema", "polyledger"))),
        raw_schema=_identifier(os.environ.get("POLYLEDGER_RAW_SCHEMA", "polyledger_raw")),
        verify=_is_true(given.get("verify", "true")),
        client_cert=str(given.get("client_cert") or "") or None,
        client_cert_key=str(given.get("client_cert_key") or "") or None,
        settings=_settings(outputs[name].get("custom_settings")),
        cluster=_cluster(str(given.get("cluster") or "")),
    )


def _settings(given: Any) -> dict[str, Any]:
    if given is not None and not isinstance(given, dict):
        raise TargetError(f"custom_settings of the target in profiles.yml must be a mapping, not {given!r}")
    return {key: _render(value) if isinstance(value, str) else value for key, value in (given or {}).items()}


def _cluster(name: str) -> str | None:
    """The name is part of statements, so it must be plain; {cluster} is a macro of the server."""
    if not re.fullmatch(r"[\w.{}-]{0,100}", name, re.ASCII):
        raise TargetError(f"{name[:80]!r} is no name of a cluster: use letters, digits, . and - (CLICKHOUSE_CLUSTER)")
    return name or None


def _is_true(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes")


def _profiles_file(folder: Path | None) -> Path:
    if folder is None and "DBT_PROFILES_DIR" in os.environ:
        folder = Path(os.environ["DBT_PROFILES_DIR"])
    places = [folder] if folder else [Path.cwd(), project_folder(), Path.home() / ".dbt"]
    for place in places:
        if (place / "profiles.yml").exists():
            return place / "profiles.yml"
    raise TargetError(
        f"no profiles.yml in {' or '.join(str(place) for place in dict.fromkeys(places))}; "
        "run this in the project's folder, or name its folder with --profiles-dir"
    )


def _env_var(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise TargetError(f"profiles.yml needs the environment variable {name}, which is not set")
    return value


def _render(text: str) -> str:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.globals["env_var"] = _env_var
    # dbt's conversions; every value is text here and converted where it is used.
    same: Any = lambda value: value  # noqa: E731
    environment.filters.update(as_number=same, as_bool=same, as_native=same, as_text=same)
    try:
        return environment.from_string(text).render()
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise TargetError(f"profiles.yml: {text!r} cannot be rendered: {error}") from None


def _whole(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise TargetError(f"{name} of the target in profiles.yml must be a whole number, not {value!r}") from None


def _identifier(name: str) -> str:
    """A database name is part of statements, so it must be plain."""
    if not name.isidentifier() or not name.isascii() or len(name) > 100:
        raise TargetError(f"{name[:80]!r} is no database name: use up to 100 letters, digits and underscores")
    return name
