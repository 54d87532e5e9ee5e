"""Who we are: the keys of the configuration and of the agent, tried in ssh's order. No passwords are asked for."""

from __future__ import annotations

import paramiko

from testbed.base.errors import LabError
from testbed.base.text import plain
from testbed.labs.ssh.address import Address
from testbed.labs.ssh.user_keys import UserKeys


class AuthenticationRefused(LabError):
    """The host takes none of our keys."""


def authenticate(transport: paramiko.Transport, address: Address) -> None:
    """Log in with the first key that the host takes.

    Raises `AuthenticationRefused` with what may be the reason; `paramiko.SSHException`, EOFError and OSError when the
    connection breaks.
    """
    if not address.uses_keys:
        raise AuthenticationRefused(
            f"{address}: the configuration forbids keys, and the lab takes nothing else",
            hint="for this host, write into the SSH configuration: PubkeyAuthentication yes, and publickey among "
            "PreferredAuthentications if there are any",
        )
    keys = UserKeys(address)
    tried = 0
    for key in keys.offers():
        tried += 1
        try:
            if not transport.auth_publickey(address.user, key):
                return
            keys.remarks.append("it wants a password after the key")
        except paramiko.BadAuthenticationType as error:
            allowed = plain(", ".join(error.allowed_types))
            raise AuthenticationRefused(f"{address}: it takes no keys, but {allowed}") from error
        except paramiko.AuthenticationException as error:
            # An agent that has died while it signs, or a time-out, is not the key's fault.
            if str(error) and "failed" not in str(error).lower():
                keys.remarks.append(plain(error).rstrip(".").lower())
        except paramiko.SSHException as error:
            if not transport.is_active():
                # The server hangs up after too many keys (MaxAuthTries).
                raise AuthenticationRefused(
                    f"{address}: it hung up after {tried} keys: {plain(error)}",
                    hint="name the key in ~/.ssh/config: IdentityFile, IdentitiesOnly yes",
                ) from error
            keys.remarks.append(plain(error))
    if address.pkcs11:
        keys.remarks.append(f"keys of a PKCS11Provider must be in the agent: ssh-add -s {address.pkcs11}")
    offered = f"none of our {tried} keys is accepted" if tried else "there is no key to offer"
    remarks = f" ({'; '.join(dict.fromkeys(map(plain, keys.remarks)))})" if keys.remarks else ""
    raise AuthenticationRefused(f"{address}: {offered}{remarks}", hint=f"try: ssh {address.alias} true")
