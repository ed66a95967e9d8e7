"""The text of the firewall rules of a policy, both kinds, without a kernel."""

import json
import unittest
from struct import pack

from common import bpf_machine
from knocklet.core import policy as core_policy
from knocklet.core.errors import ConfigError
from knocklet.edge import iptables_rules, netlink, nft_netlink, nft_rules, protected

CONFIG = """{
  "interfaces": ["wan0"], "zone": "%s",
  "services": {
    "ssh":    {"index": 1, "port": 22},
    "camera": {"index": 2, "port": 8080, "to": "192.168.1.50:80", "to6": "[fd00:1::50]:80", "idle": 20, "max": 120},
    "heat":   {"index": 3, "port": 8443, "to": "192.168.1.60:443", "ttl": 20, "one_shot": true},
    "admin":  {"index": 4, "port": 8888, "ttl": 60, "cut": true},
    "vpn":    {"index": 5, "port": 51820, "protocol": "udp"}
  }
}"""

# Everything that the text of a rule may be made of.
PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,*[] \n"
NFT_PLAIN = PLAIN + '{};"@=!'


def policy(zone="drop", text=CONFIG):
    made = core_policy.load((text % zone).encode())
    for service in made.services:
        service.masquerade = service.name == "camera"
    return made


def service(made, name):
    return [service for service in made.services if service.name == name][0]


def refusal(old, new):
    """What the configuration's reader says of CONFIG with a change."""
    assert old in CONFIG
    try:
        policy(text=CONFIG.replace(old, new))
    except ConfigError as error:
        return str(error)
    return ""


def saved(text):
    """What parse_save() would make of an empty machine after a restore of `text`, near enough."""
    tables = {}
    for line in text.split("\n"):
        if line[:1] == "*":
            lines = tables.setdefault(line[1:], [])
        elif line[:1] == ":":
            lines.append(line[: line.index(" ")] + " -")
        elif line[:2] == "-A":
            lines.append(line)
        elif line[:2] == "-I":
            lines.insert(0, line.replace("-I", "-A").replace(" 1 ", " "))
    return tables


class Safety(unittest.TestCase):
    def test_what_the_configuration_lets_through_is_safe(self):
        made = policy()
        for family in (4, 6):
            for letter in iptables_rules.restore_text(made, family, {}):
                self.assertTrue(letter in PLAIN, letter)
        for letter in nft_rules.text(made):
            self.assertTrue(letter in NFT_PLAIN, letter)

    def test_names_of_interfaces(self):
        bad = ("", "a" * 16, "wan 0", "wan0;", 'wan"0', "wan+", "wan*", "-wan", ".", "..", "wan\n", "$(id)", "w\xe4n", "a/b")
        for name in bad:
            self.assertTrue(refusal('"wan0"', json.dumps(name)) != "", name)
        for name in ("wan0", "eth0.100", "pppoe-wan", "br_lan", "a" * 15):
            self.assertEqual(refusal('"wan0"', json.dumps(name)), "")

    def test_numbers(self):
        """Rules are made of numbers by %d and of bytes: anything else is refused, whoever made the policy."""
        for key, values in (
            ("index", ("1", None)),
            ("port", ("22", "22; drop", None)),
            ("idle_s", ("1",)),
            ("to_port", ("80", None)),
            ("to", ("192.168.1.50", "1.2.3.4; drop", 5)),
            ("to6_port", ("80",)),
            ("to6", ("fd00::1",)),
        ):
            for value in values:
                made = policy()
                setattr(service(made, "camera"), key, value)
                self.assertTrue(self.refused(nft_rules.text, made), "%s %s" % (key, value))
                both = [self.refused(iptables_rules.restore_text, made, family, {}) for family in (4, 6)]
                self.assertTrue(True in both, "%s %s" % (key, value))

    def refused(self, write, *arguments):
        try:
            write(*arguments)
        except (TypeError, ValueError, IndexError):
            return True
        return False

    def test_one_place_with_two_rules_of_cutting(self):
        heat = '"192.168.1.60:443", "ttl": 20, "one_shot": true'
        self.assertEqual(refusal(heat, '"192.168.1.50:80", "ttl": 20'), "")
        self.assertEqual(
            refusal(heat, '"192.168.1.50:80", "ttl": 20, "cut": true'),
            "services.heat.cut: camera leads to the same place; allowed: the same 'cut' for both",
        )

    def test_sets(self):
        made = policy()
        self.assertEqual(len(protected.all_sets(made)), 2 + 4 + 1 + 2 + 2)
        for name, _ in protected.all_sets(made):
            self.assertTrue(len(name) <= 31, name)  # IPSET_MAXNAMELEN with its zero byte is 32
        idle, longest = protected.set_names(service(made, "camera"), 6)
        self.assertEqual((idle[:13], idle[-5:], longest[-4:]), ("knocklet_2_6_", "_idle", "_max"))

    def test_a_longest_name_fits(self):
        made = policy()
        camera = service(made, "camera")
        camera.index = 255
        self.assertTrue(max([len(name) for name in protected.set_names(camera, 6)]) <= 31)

    def test_another_shape_has_other_sets(self):
        for key, value in (("port", 23), ("protocol", 17), ("one_shot", True), ("to", b"\x0a\0\0\1"), ("cut", True)):
            made = policy()
            before = protected.set_names(service(made, "ssh"), 4)
            setattr(service(made, "ssh"), key, value)
            self.assertTrue(protected.set_names(service(made, "ssh"), 4) != before, key)
        self.assertEqual(protected.set_names(service(policy(), "ssh"), 4), protected.set_names(service(policy(), "ssh"), 4))


class Iptables(unittest.TestCase):
    def lines(self, zone="drop", family=4, present=None):
        return iptables_rules.restore_text(policy(zone), family, present or {}).split("\n")

    def test_jumps_are_made_first(self):
        lines = self.lines()
        for jump in ("INPUT 1 -j KNOCKLET_IN", "FORWARD 1 -j KNOCKLET_FWD", "PREROUTING 1 -j KNOCKLET_NAT"):
            self.assertTrue("-I " + jump in lines, jump)

    def test_a_jump_that_is_first_stays(self):
        present = saved("\n".join(self.lines()))
        lines = self.lines(present=present)
        self.assertEqual([line for line in lines if line[:2] in ("-I", "-D", "-X")], [])

    def test_a_jump_that_is_not_first_is_moved(self):
        present = saved("\n".join(self.lines()))
        present["filter"].insert(0, "-A INPUT -j ACCEPT")
        present["filter"].append("-A INPUT -j KNOCKLET_IN")
        lines = [line for line in self.lines(present=present) if line[:2] in ("-I", "-D")]
        self.assertEqual(lines, ["-D INPUT -j KNOCKLET_IN", "-D INPUT -j KNOCKLET_IN", "-I INPUT 1 -j KNOCKLET_IN"])

    def test_each_place_ends_closed(self):
        for zone, tcp, udp in (
            ("drop", "DROP", "DROP"),
            ("reject", "REJECT --reject-with tcp-reset", "REJECT --reject-with icmp-port-unreachable"),
            ("accept", "REJECT --reject-with tcp-reset", "REJECT --reject-with icmp-port-unreachable"),
        ):
            lines = self.lines(zone)
            for match, verdict in (
                ("KNOCKLET_IN_WAN -p tcp --dport 22", tcp),
                ("KNOCKLET_IN_WAN -p tcp --dport 8080", tcp),
                ("KNOCKLET_IN_WAN -p tcp --dport 8888", tcp),
                ("KNOCKLET_IN_WAN -p udp --dport 51820", udp),
                ("KNOCKLET_FWD_WAN -d 192.168.1.50 -p tcp --dport 80", tcp),
                ("KNOCKLET_FWD_WAN -d 192.168.1.60 -p tcp --dport 443", tcp),
            ):
                last = [line for line in lines if line.startswith("-A " + match + " ")][-1]
                self.assertEqual(last, "-A %s -j %s" % (match, verdict))

    def test_ipv6(self):
        lines = self.lines("reject", 6)
        self.assertTrue("-A KNOCKLET_IN_WAN -p udp --dport 51820 -j REJECT --reject-with icmp6-port-unreachable" in lines)
        self.assertTrue("-A KNOCKLET_FWD_WAN -d fd00:1::50 -p tcp --dport 80 -j REJECT --reject-with tcp-reset" in lines)
        self.assertTrue("-A KNOCKLET_IN_WAN -p tcp --dport 8443 -j REJECT --reject-with tcp-reset" in lines)
        self.assertFalse("*nat" in lines)

    def test_reply_packets_get_in_nowhere(self):
        for line in self.lines() + self.lines(family=6):
            if "ESTABLISHED" in line and "_WAN" in line:
                self.assertTrue("--ctdir ORIGINAL" in line, line)

    def test_cut_wants_the_entry_for_every_packet(self):
        accepts = [line for line in self.lines() if "--dport 8888 " in line and "ACCEPT" in line]
        self.assertEqual(len(accepts), 1)
        self.assertTrue("--match-set knocklet_4_4_" in accepts[0])

    def test_one_shot_in_the_tried_order(self):
        lines = [line for line in self.lines() if line.startswith("-A KNOCKLET_FWD_WAN -d 192.168.1.60 ")]
        order = ("--mark 0x4f000000/0x4f000000 -j ACCEPT", "--set-xmark", "--del-set", "--mark 0x4f000000/0x4f000000 -j ACCEPT")
        for line, word in zip(lines, order):
            self.assertTrue(word in line, line)

    def test_idle_is_renewed_by_established_packets_of_somebody_in_both(self):
        line = [line for line in self.lines() if "--add-set" in line][0]
        for word in ("ESTABLISHED", "ORIGINAL", "_idle src -m set", "_max src -j SET", "_idle src --exist --timeout 20"):
            self.assertTrue(word in line, word)

    def test_masquerade_only_where_wanted(self):
        lines = [line for line in self.lines() if "MASQUERADE" in line]
        self.assertEqual(lines, ["-A KNOCKLET_MASQ -d 192.168.1.50 -p tcp --dport 80 -m conntrack --ctstate DNAT"
                                 " --ctorigdstport 8080 -j MASQUERADE"])  # fmt: skip

    def test_chains_of_nobody_are_taken_away(self):
        present = saved("\n".join(self.lines()))
        made = policy()
        made.services = [service(made, "ssh")]
        lines = iptables_rules.restore_text(made, 4, present).split("\n")
        self.assertTrue("-X KNOCKLET_FWD_WAN" in lines)
        self.assertTrue("-X KNOCKLET_DNAT" in lines)
        self.assertFalse("-X KNOCKLET_IN_WAN" in lines)

    def test_removal(self):
        present = saved("\n".join(self.lines()))
        lines = iptables_rules.removal_text(present).split("\n")
        for line in ("-D INPUT -j KNOCKLET_IN", "-D FORWARD -j KNOCKLET_FWD"):
            self.assertTrue(line in lines, line)
        for chain in ("IN", "IN_WAN", "FWD", "FWD_WAN", "NAT", "DNAT", "MASQ"):
            self.assertTrue("-X KNOCKLET_" + chain in lines, chain)
        self.assertEqual([line for line in lines if line[:2] in ("-A", "-I")], [])
        self.assertEqual(iptables_rules.removal_text({"filter": [":INPUT ACCEPT"]}), "")

    def test_reading_what_is_there(self):
        lines = ["# x", "*filter", ":INPUT DROP [0:0]", ":KNOCKLET_IN - [3:4]"]
        lines += ["-A INPUT -j KNOCKLET_IN", "-A INPUT -j ACCEPT", "COMMIT"]
        tables = iptables_rules.parse_save([line + "\n" for line in lines])
        self.assertEqual(tables, {"filter": [":INPUT DROP", ":KNOCKLET_IN -", "-A INPUT -j KNOCKLET_IN"]})
        self.assertEqual(iptables_rules.ours(tables), ["-A INPUT -j KNOCKLET_IN"])

    def test_however_many_rules_others_have(self):
        lines = ["*filter\n", ":INPUT ACCEPT [0:0]\n", ":BAN - [0:0]\n"] + ["-A INPUT -s 192.0.2.1 -j DROP\n"] * 1000
        lines += ["-A INPUT -j KNOCKLET_IN\n"] + ["-A BAN -s 192.0.2.1 -j DROP\n"] * 1000
        tables = iptables_rules.parse_save(lines)
        self.assertEqual(tables["filter"][2:], [
            "-A INPUT -s 192.0.2.1 -j DROP", "-A INPUT -j KNOCKLET_IN", "-A BAN -s 192.0.2.1 -j DROP",
        ])  # fmt: skip
        moved = [line for line in self.lines(present=tables) if line[:2] in ("-I", "-D")][:2]
        self.assertEqual(moved, ["-D INPUT -j KNOCKLET_IN", "-I INPUT 1 -j KNOCKLET_IN"])

    def test_how_many(self):
        for family in (4, 6):
            rules = [line for line in self.lines(family=family) if line[:2] in ("-A", "-I")]
            self.assertEqual(iptables_rules.how_many(policy(), family), len(rules))

    def test_a_zone_that_drops_says_nothing_unasked(self):
        for family, kind in ((4, "-p icmp -m icmp --icmp-type 12"), (6, "-p ipv6-icmp -m icmp6 --icmpv6-type 4")):
            rules = [line for line in self.lines(family=family) if line.startswith("-A KNOCKLET_OUT_WAN")]
            self.assertEqual(rules[0], "-A KNOCKLET_OUT_WAN -m conntrack --ctstatus CONFIRMED -j RETURN")
            self.assertTrue("-A KNOCKLET_OUT_WAN %s -j DROP" % kind in rules)
            for zone in ("reject", "accept"):
                self.assertFalse("-A KNOCKLET_OUT" in " ".join(self.lines(zone, family)))

    def test_whose_rules_are_in_force(self):
        for lines, decided in (
            ([], False),
            ([":INPUT ACCEPT", ":FORWARD ACCEPT"], False),
            ([":INPUT DROP"], True),
            ([":INPUT ACCEPT", "-A INPUT -p icmp -j ACCEPT"], True),
            ([":DOCKER -"], False),
        ):
            self.assertEqual(iptables_rules.in_force({"filter": lines}), decided)


class Nft(unittest.TestCase):
    def chain(self, name, zone="drop", made=None):
        text = nft_rules.text(made or policy(zone))
        return [line.strip() for line in text.split("  chain %s {\n" % name)[1].split("  }\n")[0].split("\n")[:-1]]

    def test_the_table_is_made_anew_in_place(self):
        lines = nft_rules.text(policy()).split("\n")
        self.assertEqual(lines[:2], ["add table inet knocklet", "flush table inet knocklet"])

    def test_what_is_gone_is_deleted(self):
        made = policy()
        name = protected.all_sets(made)[0][0]
        lines = nft_rules.text(made, ["input", "door_9"], [name, "knocklet_9_4_00000000"]).split("\n")
        self.assertEqual(lines[-3:-1], ["delete chain inet knocklet door_9", "delete set inet knocklet knocklet_9_4_00000000"])

    def test_each_place_ends_closed(self):
        for zone, tcp, udp in (
            ("drop", "drop", "drop"),
            ("reject", "reject with tcp reset", "reject with icmpx type port-unreachable"),
            ("accept", "reject with tcp reset", "reject with icmpx type port-unreachable"),
        ):
            for name in ("door_1", "door_2", "door_3", "door_4", "door_ip4_0", "door_ip4_1", "door_ip6_0"):
                self.assertEqual(self.chain(name, zone)[-1], tcp)
            self.assertEqual(self.chain("door_5", zone)[-1], udp)

    def test_reply_packets_get_in_nowhere(self):
        for line in nft_rules.text(policy()).split("\n"):
            if "established" in line:
                self.assertTrue("ct direction original" in line, line)

    def test_what_is_only_passing_meets_no_chain(self):
        """Each base chain on the way costs every packet that is forwarded (bench: forwarding_ratio)."""
        text = nft_rules.text(core_policy.load(b'{"interfaces": ["wan0"], "services": {"ssh": {"index": 1, "port": 22}}}'))
        for line in text.split("\n"):
            self.assertFalse("type filter hook prerouting" in line or "hook forward" in line, line)
        self.assertTrue("hook forward" in nft_rules.text(policy()))

    def test_marks_of_others_are_cleared_first(self):
        self.assertEqual(self.chain("grant_1")[:2], ["fib daddr type != local return", "ct mark set ct mark and 0xb0ffffff"])
        self.assertEqual(self.chain("grant_ip6_0")[0], "ct mark set ct mark and 0xb0ffffff")
        self.assertEqual(len(self.chain("grant_1")), 4)
        self.assertEqual(protected.OTHERS | protected.USED, 0xFFFFFFFF)

    def test_led_on_only_with_a_grant(self):
        names = protected.set_names(service(policy(), "camera"), 4)
        self.assertEqual(self.chain("grant_2")[2:], [
            "ip saddr @%s ip saddr @%s ct mark set ct mark or 0x4b000000 meta l4proto tcp dnat ip to 192.168.1.50:80" % names,
        ])  # fmt: skip

    def test_the_door_of_a_device_never_opens_on_the_gateway(self):
        self.assertEqual(self.chain("door_2"), ["ct state established ct direction original accept", "drop"])

    def test_cut_wants_the_entry_for_every_packet(self):
        self.assertFalse("established" in " ".join(self.chain("door_4")))

    def test_one_shot(self):
        name = protected.set_names(service(policy(), "heat"), 4)[0]
        self.assertEqual(self.chain("door_ip4_1")[:2], [
            "ct mark and 0x4f000000 == 0x4f000000 accept",
            "ct state new ip saddr @%s ct mark set ct mark or 0x4f000000 delete @%s { ip saddr } accept" % (name, name),
        ])  # fmt: skip

    def test_several_interfaces(self):
        made = policy()
        made.interfaces = ["wan0", "ppp0"]
        self.assertTrue(self.chain("input", made=made)[1].startswith('iifname { "wan0", "ppp0" } meta l4proto . th dport vmap'))
        self.assertTrue(self.chain("output", made=made)[2].startswith('oifname { "wan0", "ppp0" } icmp type'))

    def test_a_zone_that_drops_says_nothing_unasked(self):
        self.assertEqual(self.chain("output")[1:], [
            "ct status confirmed accept",
            'oifname "wan0" icmp type { 3, 5, 11, 12 } drop',
            'oifname "wan0" icmpv6 type { 1, 2, 3, 4, 137 } drop',
        ])  # fmt: skip
        for zone in ("reject", "accept"):
            self.assertFalse("chain output" in nft_rules.text(policy(zone)))

    def test_no_nat_without_a_device(self):
        made = policy()
        made.services = [service(made, "ssh")]
        self.assertFalse("dnat" in nft_rules.text(made) or "postrouting" in nft_rules.text(made))

    def test_how_many(self):
        text = nft_rules.text(policy())
        chains = [name.split(" ")[0] for name in text.split("  chain ")[1:]]
        rules = [rule for name in chains for rule in self.chain(name) if rule[:5] != "type "]
        self.assertEqual(nft_rules.how_many(text), len(rules))

    def test_no_services(self):
        made = policy()
        made.services = []
        self.assertFalse("vmap" in nft_rules.text(made))


class Announcements(unittest.TestCase):
    """What the kernel says of changes of nf_tables, on machines of either byte order: which of it wakes us."""

    TABLES = (b"knocklet", b"knock", b"knocklex", b"knockletX", b"filter", b"fw4")

    def keeps(self, order, kind, table, port=4711):
        head = pack(order + "IHHII", 64, 10 << 8 | kind, 0, 1, port)
        announced = head + bytes([1, 0, 0, 0]) + pack(order + "HH", 5 + len(table), 1) + table + bytes(32)
        program = nft_netlink.deletions("little" if order == "<" else "big")
        bpf_machine.check(program)
        return bpf_machine.run(program, announced) > 0

    def test_which_wake(self):
        ours = netlink.OUR_PORTS << 16 | 99
        for order in "<>":
            for table in self.TABLES:
                for kind in (0, 2, 3, 5, 6, 8, 9, 11):  # tables, chains, rules, sets: made and deleted
                    self.assertTrue(self.keeps(order, kind, table), "%d %s" % (kind, table))
                for kind in (12, 15):  # an element is added, a new generation
                    self.assertFalse(self.keeps(order, kind, table), "%d %s" % (kind, table))
                self.assertFalse(self.keeps(order, 14, table, ours))
                self.assertEqual(self.keeps(order, 14, table), table[:8] == b"knocklet", str(table))


if __name__ == "__main__":
    unittest.main()
