"""Ports that real traffic goes to: no good steps of a sequence. Programs and scanners come there by themselves.

Few, and those that a home meets; after IANA's registry, and what ships with its defaults.
"""

from knocklet.wire.steps import TCP, UDP

_BOTH = TCP, UDP
_PORTS = (
    ((1, 1023), _BOTH, "a well-known port (web, mail, DNS, NTP, IKE, Windows shares ...)"),
    ((1194, 1194), _BOTH, "OpenVPN"),
    ((1433, 1434), _BOTH, "SQL Server"),
    ((1701, 1701), (UDP,), "L2TP"),
    ((1723, 1723), (TCP,), "PPTP"),
    ((1883, 1883), (TCP,), "MQTT"),
    ((1900, 1900), (UDP,), "UPnP discovery"),
    ((2222, 2222), (TCP,), "SSH's second home"),
    ((3074, 3074), _BOTH, "game consoles"),
    ((3306, 3306), (TCP,), "MySQL"),
    ((3389, 3389), _BOTH, "Windows remote desktop"),
    ((3478, 3481), _BOTH, "STUN and TURN"),
    ((4500, 4500), (UDP,), "IKE through NAT"),
    ((5000, 5001), (TCP,), "web pages of NAS devices"),
    ((5004, 5005), (UDP,), "RTP"),
    ((5060, 5061), _BOTH, "SIP"),
    ((5222, 5230), (TCP,), "push messages of phones"),
    ((5353, 5353), (UDP,), "mDNS"),
    ((5355, 5355), _BOTH, "LLMNR"),
    ((5357, 5357), (TCP,), "Windows device discovery"),
    ((5432, 5432), (TCP,), "PostgreSQL"),
    ((5555, 5555), (TCP,), "Android's debug bridge"),
    ((5900, 5909), (TCP,), "VNC"),
    ((6379, 6379), (TCP,), "Redis"),
    ((6881, 6889), _BOTH, "BitTorrent"),
    ((7547, 7547), (TCP,), "providers' router management"),
    ((8000, 8000), (TCP,), "an alternate of http"),
    ((8008, 8009), (TCP,), "an alternate of http"),
    ((8080, 8081), (TCP,), "an alternate of http"),
    ((8088, 8088), (TCP,), "an alternate of http"),
    ((8443, 8443), (TCP,), "an alternate of https"),
    ((8883, 8883), (TCP,), "MQTT with TLS"),
    ((8888, 8888), (TCP,), "an alternate of http"),
    ((10_000, 20_000), (UDP,), "RTP, of telephones"),
    ((16_384, 32_767), (UDP,), "RTP, of telephones and video calls"),
    ((25_565, 25_565), (TCP,), "Minecraft"),
    ((27_000, 27_050), _BOTH, "Steam"),
    ((51_413, 51_413), _BOTH, "BitTorrent"),
    ((51_820, 51_820), (UDP,), "WireGuard"),
)


def traffic_at(protocol: int, port: int) -> str:
    """What goes there, or ""."""
    return next((what for (low, high), protocols, what in _PORTS if low <= port <= high and protocol in protocols), "")
