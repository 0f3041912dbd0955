"""Who may do what on a server: loader, builder and reader, as loaders/roles/*.sql say; and who is an administrator."""

import hashlib
import os
import re
import secrets
from importlib import resources

from loaders.target import Target
from loaders.warehouse import Warehouse, WarehouseError

ROLES = ("loader", "builder", "reader")
SHORTEST_PASSWORD = 12
# Rights that nobody needs who loads or builds, and what they are good for.
POWERS = {"create user on *.*": "manage users", "drop database on *.*": "drop every database"}


class RoleError(Exception):
    """The roles cannot be made; the message says why and what to do."""


def statements(role: str, target: Target) -> list[str]:
    """What makes the role and its rights, for the databases of the target. Making it again changes nothing."""
    text = resources.files("loaders").joinpath("roles", f"{role}.sql").read_text()
    text = re.sub(r"^--.*\n", "", text, flags=re.MULTILINE)
    databases = {
        "polyledger_raw": target.raw_schema,
        "polyledger_shadow": target.shadow_schema,
        "polyledger": target.schema,
    }
    text = re.sub(r"\b(polyledger|polyledger_raw|polyledger_shadow)\.", lambda name: f"{databases[name[1]]}.", text)
    return [one.strip() for one in text.split(";") if one.strip()]


def apply(warehouse: Warehouse) -> list[str]:
    """Make roles, rights and limits, and a user for each role whose password the environment has; says what was made.

    Making them again changes nothing but the passwords. Raises RoleError, before anything is made where a password is
    too short, and WarehouseError.
    """
    if warehouse.target.cluster:
        raise RoleError(
            f"setup --roles would make users on one node of the cluster {warehouse.target.cluster}: give each node "
            "loaders/roles/users.xml, or add ON CLUSTER to loaders/roles/*.sql and run them (docs/roles.md)"
        )
    passwords = {role: _password(role) for role in ROLES}
    said = []
    for role, password in passwords.items():
        name = f"polyledger_{role}"
        try:
            for statement in statements(role, warehouse.target):
                warehouse.command(statement)
            if password is None:
                said.append(f"role {name}: no user of this name was made, since {_variable(role)} is not set")
                continue
            # Only a salted hash leaves this process.
            salt = secrets.token_hex(16)
            known = hashlib.sha256((password + salt).encode()).hexdigest()
            identified = f"identified with sha256_hash by '{known}' salt '{salt}'"
            warehouse.command(f"create user if not exists {name} {identified} default role none")
            warehouse.command(f"alter user {name} {identified}")
            warehouse.command(f"grant {name} to {name}")
            warehouse.command(f"alter user {name} default role {name}")
            said.append(f"role {name}: user {name}, with the password of {_variable(role)}")
        except WarehouseError as error:
            raise RoleError(_refusal(name, str(error))) from None
    return said


def powers(warehouse: Warehouse) -> list[str]:
    """What the user of a server may do that only an administrator need be able to."""
    return [what for right, what in POWERS.items() if warehouse.rows(f"check grant {right}")[0][0]]


def _variable(role: str) -> str:
    return f"POLYLEDGER_{role.upper()}_PASSWORD"


def _password(role: str) -> str | None:
    """The password for a role's user, None where there is none: nobody gets a default."""
    given = os.environ.get(_variable(role)) or None
    if given is not None and len(given) < SHORTEST_PASSWORD:
        raise RoleError(f"{_variable(role)} must have {SHORTEST_PASSWORD} characters or more; no role was made")
    return given


def _refusal(name: str, error: str) -> str:
    if "ACCESS_STORAGE" in error or "access storage" in error:
        return (
            f"{name} was not made: this server keeps its users in files. Copy loaders/roles/users.xml to its users.d/ "
            "instead; its comment says how"
        )
    if "Not enough privileges" in error:
        return f"{name} was not made: {error}. Run this as an administrator: CLICKHOUSE_USER"
    return f"{name} was not made: {error}"
