"""The policy: the gateway's settings, and the services, sequences and clients of it, and how they agree. Read strictly.

Every key is known, every type and range is checked; one wrong thing refuses the whole, with a line that names the key,
what was found and what is allowed.
"""

from binascii import unhexlify

from ..wire import otp_ports
from ..wire.keys import FINGERPRINT_BYTES
from ..wire.names import ALLOWED, is_name
from . import clients, sequences, services
from .checked_table import REQUIRED, Table
from .errors import ConfigError
from .matcher import SEQUENCES
from .packet import TCP, UDP
from .strict_json import loads

DECOYS = 64
_INTERFACES = 8
_REVOKED = 128
CLIENTS_FILE = "clients.json"  # beside the configuration
OTP_PAIRS = 64  # of client and service
_OTP_STEPS = 384  # of all pairs in one slot: the kernel filter has to hold those of three
_OTP_SPAN = 9_999
_OTP_WINDOW_S = 25  # an attempt has ended when its number is used for another slot (otp.py)
_KNOCK_PORT = 62201  # of fwknop: told apart by length


class Policy:
    """name: the gateway's, or ""; interfaces, zone, firewall: as in the file; decoys: how many; services, sequences, clients:
    lists; otp: OtpSettings; spa_port, fwknop_port: UDP, 0 where no client has that kind; revoked: fingerprints of keys that are
    to be refused for ever; warnings: lines."""

    def leave_out(self, fingerprint):
        """The client with this key is none any more."""
        self.clients = [one for one in self.clients if fingerprint not in (one.fingerprint, one.fwknop_fingerprint)]
        self.otp.pairs = [pair for pair in self.otp.pairs if pair[0] in self.clients]


class OtpSettings:
    """How one-time sequences are made: protocol, count, low, high, window_ms; pairs: list of (Client, Service)."""


def merged(data, clients_data=None):
    """The values of a configuration (bytes of a JSON file) and of a file for clients alone. Raises ConfigError."""
    values = loads(data)
    if clients_data is not None and isinstance(values, dict):
        _add_clients(values, clients_data)
    return values


def load(data, clients_data=None, is_revoked=None, interfaces=None):
    """The Policy in them. is_revoked(fingerprint): has a key lost all its rights? interfaces: for where they name none. Raises
    ConfigError."""
    top = Table(merged(data, clients_data), "the configuration")
    policy = Policy()
    policy.name = top.text("id", "")
    if policy.name and not is_name(policy.name):
        top.fail("id", policy.name, ALLOWED)
    policy.interfaces = _interfaces(top, "interfaces", []) or interfaces
    if not policy.interfaces:
        raise ConfigError("interfaces: found nothing; allowed: names here, or as the engine's option --interfaces")
    policy.zone = top.choice("zone", "drop", ("drop", "reject", "accept"))
    policy.firewall = top.choice("firewall", "auto", ("auto", "ipset", "nft"))
    policy.decoys = top.integer("decoys", DECOYS, 0, 256)
    policy.services = [services.read(name, table) for name, table in top.tables("services", services.LIMIT)]
    by_name = {service.name: service for service in policy.services}
    policy.sequences = [sequences.read(name, table, by_name) for name, table in top.tables("sequences", SEQUENCES)]
    policy.clients = [clients.read(name, table, by_name, policy.name) for name, table in top.tables("clients", clients.LIMIT)]
    policy.revoked = _revoked(top)
    left_out = _leave_out(policy, is_revoked)
    policy.otp = _otp(top.table("otp", {}), policy.clients)
    policy.spa_port = _knock_port(top, "spa", policy)
    policy.fwknop_port = _knock_port(top, "fwknop", policy)
    top.done()
    services.check(policy.services)
    sequences.check(policy, no_decoys(policy))
    _check_clients(policy)
    policy.warnings = _warnings(policy)
    policy.warnings += ["clients.%s: its key is revoked: it opens nothing" % name for name in left_out]
    return policy


def _add_clients(values, data):
    """The secrets may lie in a file of their own."""
    if "clients" in values:
        raise ConfigError("clients: found here and in %s; allowed: one of them" % CLIENTS_FILE)
    try:
        table = Table(loads(data), CLIENTS_FILE)
    except ConfigError as error:
        raise ConfigError("%s: %s" % (CLIENTS_FILE, error))
    table.tables("clients", clients.LIMIT)
    table.done()
    values.update(table.values)


def interfaces_of(text):
    """Names of interfaces in a command line, "eth1,pppoe-wan". Raises ConfigError."""
    return _interfaces(Table({"--interfaces": text.split(",")}, ""), "--interfaces", REQUIRED) if text else []


def _interfaces(top, key, default):
    names = top.texts(key, 1, _INTERFACES, default)
    for name in names:
        # dev_valid_name() of the kernel takes more; what is taken here is safe in a rule.
        if not 0 < len(name) < 16 or any(not (c.isalpha() or c.isdigit() or c in "-_.") for c in name):
            top.fail(key, name, "interface names of 1-15 letters, digits, '-', '_', '.'")
        if name[0] in "-." or names.count(name) > 1:
            top.fail(key, name, "each interface once, beginning with a letter or digit")
    return names


def _revoked(top):
    texts = top.texts("revoked", 0, _REVOKED, [])
    for text in texts:
        if len(text) != 2 * FINGERPRINT_BYTES or any(digit not in "0123456789abcdef" for digit in text):
            top.fail("revoked", text, "fingerprints of keys, %d hex digits" % (2 * FINGERPRINT_BYTES))
    return [unhexlify(text) for text in texts]


def _leave_out(policy, is_revoked):
    """Clients with a revoked key are none. Returns their names."""
    refused = [
        client
        for client in policy.clients
        for key in (client.fingerprint, client.fwknop_fingerprint)
        if key and (key in policy.revoked or is_revoked and is_revoked(key))
    ]
    policy.clients = [client for client in policy.clients if client not in refused]
    return sorted({client.name for client in refused})


def _otp(table, all_clients):
    otp = OtpSettings()
    otp.protocol = UDP if table.choice("protocol", "tcp", ("tcp", "udp")) == "udp" else TCP
    otp.count = table.integer("count", otp_ports.COUNT, 4, 16)
    otp.low = table.integer("low", otp_ports.LOW, 1024, 65535)
    otp.high = table.integer("high", otp_ports.HIGH, 1024, 65535)
    if otp.high - otp.low < _OTP_SPAN:
        table.fail("high", otp.high, "at least 'low' + %d: few ports are soon tried" % _OTP_SPAN)
    otp.window_ms = 1000 * table.integer("window", sequences.WINDOW_S, 1, _OTP_WINDOW_S)
    table.done()
    otp.pairs = [(client, service) for client in all_clients if "otp" in client.kinds for service in client.services]
    if len(otp.pairs) > OTP_PAIRS:
        raise ConfigError("clients: %d pairs of client and service with otp; allowed: %d" % (len(otp.pairs), OTP_PAIRS))
    if len(otp.pairs) * otp.count > _OTP_STEPS:
        most = _OTP_STEPS // len(otp.pairs)
        table.fail("count", otp.count, "at most %d for %d pairs of client and service" % (most, len(otp.pairs)))
    return otp


def _knock_port(top, kind, policy):
    """The UDP port for packets of this kind, 0 when no client has it."""
    port = top.integer(kind + "_port", _KNOCK_PORT, 1, 65535)
    if not any(kind in client.kinds for client in policy.clients):
        return 0
    taken = [service.port for service in policy.services if service.protocol == UDP]
    taken += [step for sequence in policy.sequences for protocol, step in sequence.steps if protocol == UDP]
    in_otp = policy.otp.pairs and policy.otp.protocol == UDP and policy.otp.low <= port <= policy.otp.high
    if port in taken or in_otp:
        top.fail(kind + "_port", port, "a UDP port of no service, step or one-time sequence")
    return port


def _check_clients(policy):
    """Names mean one thing in events, and fingerprints one client in the replay store."""
    if policy.clients and not policy.name:
        raise ConfigError("id: found nothing; allowed: the gateway's name, it is in the clients' keys")
    names = [sequence.name for sequence in policy.sequences]
    seen = {}
    for client in policy.clients:
        if client.name in names:
            raise ConfigError("clients.%s: a sequence has this name; allowed: a name of its own" % client.name)
        for fingerprint in (client.fingerprint, client.fwknop_fingerprint):
            other = seen.setdefault(fingerprint, client) if fingerprint else client
            if other is not client:
                raise ConfigError("clients.%s: has the key of %s; allowed: a key of its own" % (client.name, other.name))
    macs = {}
    for client in policy.clients:
        other = macs.setdefault(client.fwknop.hmac_key, client) if client.fwknop else client
        if other is not client:
            raise ConfigError("clients.%s: has the hmac_key of %s; allowed: one of its own" % (client.name, other.name))
    if sum(client.fwknop is not None for client in policy.clients) > clients.FWKNOP_LIMIT:
        raise ConfigError("clients: more than %d of kind fwknop" % clients.FWKNOP_LIMIT)


def no_decoys(policy):
    """The ports that may not be decoys: steps and protected ports, whatever their protocol."""
    steps = {port for sequence in policy.sequences for _, port in sequence.steps} | {policy.spa_port, policy.fwknop_port}
    return steps | {service.port for service in policy.services} | {service.to6_port for service in policy.services}


def _warnings(policy):
    lines = []
    for sequence in policy.sequences:
        if len(sequence.steps) == 1:
            lines.append("sequences.%s: one step: any scan of that port does it" % sequence.name)
    if (policy.sequences or policy.otp.pairs) and not policy.decoys:
        lines.append("decoys: 0: a sweep of all ports can do an ascending sequence")
    return lines
